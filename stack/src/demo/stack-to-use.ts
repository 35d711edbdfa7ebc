import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accessFileIn, type Access } from '../access.js';
import { startStack, type StackLog } from '../stack.js';
import { stackSettings } from '../stack-settings.js';
import { AlreadyRunning, supervisorOf } from '../supervisor-record.js';
import { until } from '@buckets/patience';

/** A running stack, and how to leave it as it was found. */
export interface StackInUse {
  readonly access: Access;
  /** Whether it was started for the demo. */
  readonly isOwn: boolean;
  /** Where its output is kept, if it was started for the demo. */
  readonly logFile?: string;
  /** Stops it if it was started for the demo. */
  leave(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;

/**
 * The stack that runs in this clone, else one of our own.
 *
 * @param note is told when a process of our own stack has died and is started again
 */
export async function stackToUse(note: (text: string) => void, signal: AbortSignal): Promise<StackInUse> {
  const settings = stackSettings();
  const { dataDir } = settings;
  if (supervisorOf(dataDir) !== undefined) return running(dataDir, signal);
  await mkdir(dataDir, { recursive: true });
  const logFile = join(dataDir, 'demo.log');
  const output = createWriteStream(logFile, { mode: 0o600 });
  try {
    const stack = await startStack({ ...settings, usualPorts: true, log: logInto(output, note), signal });
    const leave = async () => {
      await stack.stop();
      output.end();
    };
    return { access: stack.access, isOwn: true, logFile, leave };
  } catch (error) {
    output.end();
    // Somebody else was faster.
    if (error instanceof AlreadyRunning) return running(dataDir, signal);
    throw error;
  }
}

async function running(dataDir: string, signal: AbortSignal): Promise<StackInUse> {
  const read = async () => JSON.parse(await readFile(accessFileIn(dataDir), 'utf8')) as Access;
  const access = await until(read, { what: 'The readiness of the running stack', withinMs: READY_WITHIN_MS, signal });
  return { access, isOwn: false, leave: () => Promise.resolve() };
}

function logInto(output: WriteStream, note: (text: string) => void): StackLog {
  return {
    line: (part, line) => void output.write(`${part} | ${line}\n`),
    note: (part, text) => {
      output.write(`${part} | ${text}\n`);
      note(`${part} ${text}`);
    },
  };
}
