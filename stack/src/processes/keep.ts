import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { until } from '@buckets/patience';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment; nothing else is passed on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Another user to run as; needs root. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that does not outlive this one, whatever ends this one. */
export interface Kept {
  readonly pid: number;
  /** Resolves when the process has ended and nothing of its group is left. */
  readonly ended: Promise<Exit>;
  /** Signals the process itself, not what it has started. */
  signal(signal: NodeJS.Signals): void;
  /** Ends the process and everything in its group at once. */
  destroy(): void;
}

/**
 * The process becomes the leader of a session and group of its own. Beside it, in the same group, a shell reads from
 * a pipe whose other end only this process holds: when this process is gone, even by SIGKILL, the read ends and the
 * shell ends the group, so that nothing the process has started stays either. The shell is there before the
 * process is, so there is no moment without it.
 */
const WITH_WATCH = `
( trap '' HUP INT QUIT TERM
  read -r _ <&3
  kill -TERM 0
  sleep 2
  kill -KILL 0 ) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`;

const MAX_LINE = 16_384;

/**
 * Starts a process that ends when this one does.
 *
 * @throws when the program cannot be started
 */
export async function keep(command: Command, onLine: (line: string) => void): Promise<Kept> {
  const child = spawn('/bin/sh', ['-c', WITH_WATCH, 'sh', command.file, ...command.args], {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    ...command.user,
  });
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const pid = child.pid!;
  for (const output of [child.stdout, child.stderr]) eachLine(output!, onLine);
  // The watch's end of the pipe never says anything; an error there only means that it is gone.
  child.stdio[3]!.on('error', () => undefined);

  const ended = exitOf(child, pid);
  return { pid, ended, signal: (signal) => void child.kill(signal), destroy: () => killGroup(pid) };
}

/** How long the last output may take to arrive; whoever left the group could hold it open for ever. */
const LAST_OUTPUT_MS = 1_000;

/** How long to wait for the last of a killed group; one that waits for a disk that does not answer may take for ever. */
const LAST_OF_GROUP_MS = 1_000;

async function exitOf(child: ChildProcess, group: number): Promise<Exit> {
  const closed = once(child, 'close'); // It may come right behind the exit.
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  // The watch still holds the group's number, so nobody else can have got it.
  killGroup(group);
  const cutOff = setTimeout(() => child.stdio.forEach((stream) => stream?.destroy()), LAST_OUTPUT_MS);
  await closed;
  clearTimeout(cutOff);
  await until(() => !livesInGroup(group), { withinMs: LAST_OF_GROUP_MS }).catch(() => undefined);
  return { code, signal };
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Whether anybody in the group still lives; the dead stay on the system's list until somebody collects them. */
function livesInGroup(group: number): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    const [, state, pgrp] = /\) (\S) \d+ (\d+)/.exec(statOf(name)) ?? [];
    return Number(pgrp) === group && state !== 'Z' && state !== 'X';
  });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return ''; // It has ended since.
  }
}

function eachLine(output: Readable, onLine: (line: string) => void): void {
  let rest = '';
  output.setEncoding('utf8');
  output.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    if (rest.length > MAX_LINE) {
      lines.push(rest);
      rest = '';
    }
    for (const line of lines) onLine(line);
  });
  output.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
