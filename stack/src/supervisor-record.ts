import { join } from 'node:path';
import {
  dropLock,
  identityOf,
  isAlive,
  readLock,
  takeLock,
  type Lock,
  type ProcessIdentity,
} from '../prepare/lock.mjs';
import { writePrivately } from './private-files.js';
import { NotInTime, until } from '@buckets/patience';

/** Who supervises a data folder, and what it has running: `.data/supervisor.json`. */
interface Record extends Lock {
  readonly processes?: readonly ProcessIdentity[];
}

/** The data folder has a supervisor already. */
export class AlreadyRunning extends Error {
  readonly code = 'already-running';
  constructor(
    readonly dataDir: string,
    readonly supervisor: ProcessIdentity,
  ) {
    super(`Buckets is already running on ${dataDir} (process ${supervisor.pid}). To end it: npm stop`);
    this.name = 'AlreadyRunning';
  }
}

/** The living supervisor of a data folder. */
export function supervisorOf(dataDir: string): ProcessIdentity | undefined {
  const holder = readLock<Record>(fileIn(dataDir))?.holder;
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** One process's claim to be the supervisor of a data folder. */
export class SupervisorRecord {
  readonly #file: string;
  #isOurs = true;

  private constructor(file: string) {
    this.#file = file;
  }

  /**
   * Waits for what an earlier supervisor, killed a moment ago, may still have running.
   *
   * @throws {AlreadyRunning}
   */
  static async claim(dataDir: string): Promise<SupervisorRecord> {
    const file = fileIn(dataDir);
    const leftovers: ProcessIdentity[] = [];
    const held = takeLock<Record>(file, (dead) => leftovers.push(...(dead.processes ?? [])));
    if (held?.holder !== undefined) throw new AlreadyRunning(dataDir, held.holder);
    await endAll(leftovers);
    return new SupervisorRecord(file);
  }

  /** Waits for the end of what a killed supervisor has left, and clears its record away. */
  static async releaseWhatIsLeft(dataDir: string): Promise<void> {
    if (readLock(fileIn(dataDir)) !== undefined) (await SupervisorRecord.claim(dataDir)).release();
  }

  async write(pids: readonly number[]): Promise<void> {
    const processes = pids.map(identityOf).filter((identity) => identity !== undefined);
    const record: Record = { holder: identityOf(process.pid)!, processes };
    await writePrivately(this.#file, JSON.stringify(record));
  }

  release(): void {
    if (this.#isOurs) dropLock(this.#file);
    this.#isOurs = false;
  }
}

/** They end by themselves when their supervisor is gone; whatever does not within a few seconds is ended. */
async function endAll(processes: readonly ProcessIdentity[]): Promise<void> {
  const gone = () => !processes.some(isAlive);
  try {
    await until(gone, { withinMs: 5_000 });
  } catch (error) {
    if (!(error instanceof NotInTime)) throw error;
    for (const { pid } of processes.filter(isAlive)) process.kill(-pid, 'SIGKILL');
    await until(gone, { what: 'the end of what an earlier start has left', withinMs: 5_000 });
  }
}

function fileIn(dataDir: string): string {
  return join(dataDir, 'supervisor.json');
}
