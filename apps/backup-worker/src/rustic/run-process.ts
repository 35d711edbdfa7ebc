import { execa } from 'execa';
import { signalGroup, traceOfWork } from './system-process.js';

/** How long somebody is willing to wait for a run, and how they say that they no longer are. */
export interface Patience {
  signal?: AbortSignal;
  /** Ends a run that neither wrote, nor computed, nor read or wrote any byte for so long. */
  stallMs: number;
  /** Ends a run that took so long altogether. */
  deadlineMs: number;
}

/** Why we ended a process. */
export type StopReason = 'cancelled' | 'stalled' | 'timed-out';

export interface EndedProcess {
  exitCode?: number;
  signal?: string;
  startError?: string;
  /** Set whenever we signalled the process: what it then claims to have done proves nothing. */
  stopped?: StopReason;
  /** The process that did not end even when killed, as one that waits for a dead disk. */
  leftBehind?: number;
}

export interface ProcessToRun {
  file: string;
  args: readonly string[];
  env: Record<string, string>;
  folder: string;
  onOutput: (chunk: Uint8Array) => void;
  onErrorOutput: (chunk: Uint8Array) => void;
  onStart: (pid: number) => Promise<void>;
}

/** A timer that is set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const ENDING_TIMES = {
  /** From the polite signal to the one that cannot be refused. */
  graceMs: 5_000,
  /** From the kill to giving the process up. */
  killTakesMs: 30_000,
};

/**
 * Runs a process in a group of its own until it has ended, by itself or because patience ran out.
 * It never rejects for what the process does.
 */
export async function runProcess(
  run: ProcessToRun,
  patience: Patience,
  times: typeof ENDING_TIMES = ENDING_TIMES,
): Promise<EndedProcess> {
  if (patience.signal?.aborted) return { stopped: 'cancelled' };

  const subprocess = execa(run.file, run.args, {
    cwd: run.folder,
    env: run.env,
    extendEnv: false,
    detached: true,
    cleanup: false,
    stdin: 'ignore',
    buffer: false,
    reject: false,
  });
  const { pid } = subprocess;
  const ended = subprocess.then(({ exitCode, signal, cause }): EndedProcess =>
    pid === undefined ? { startError: errorCode(cause) } : { exitCode, signal },
  );
  if (pid === undefined) return ended;

  const stopping = new Stopping(
    pid,
    times,
    () => subprocess.nodeChildProcess.exitCode === null && subprocess.nodeChildProcess.signalCode === null,
  );
  const watch = new StallWatch(pid, patience.stallMs, () => stopping.stop('stalled'));
  const deadline = setTimeout(() => stopping.stop('timed-out'), Math.min(patience.deadlineMs, LONGEST_TIMER_MS));
  const cancel = () => stopping.stop('cancelled');
  patience.signal?.addEventListener('abort', cancel, { once: true });
  subprocess.stdout.on('data', (chunk: Uint8Array) => {
    watch.sawOutput();
    run.onOutput(chunk);
  });
  subprocess.stderr.on('data', (chunk: Uint8Array) => {
    watch.sawOutput();
    run.onErrorOutput(chunk);
  });
  const noted = run.onStart(pid).catch((error: unknown) => {
    stopping.stop('cancelled');
    throw error;
  });
  try {
    const [result] = await Promise.allSettled([Promise.race([ended, stopping.givenUp]), noted]);
    await noted;
    if (result.status === 'rejected') throw result.reason;
    return { ...result.value, stopped: stopping.reason };
  } finally {
    patience.signal?.removeEventListener('abort', cancel);
    clearTimeout(deadline);
    watch.close();
    stopping.close();
  }
}

/** Ends a group: politely, then by force, and in the end gives it up. */
class Stopping {
  reason: StopReason | undefined;
  readonly givenUp: Promise<EndedProcess>;
  private giveUp!: (ended: EndedProcess) => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly pid: number,
    private readonly times: typeof ENDING_TIMES,
    private readonly isRunning: () => boolean,
  ) {
    this.givenUp = new Promise((resolve) => (this.giveUp = resolve));
  }

  stop(reason: StopReason): void {
    if (this.reason !== undefined || !this.isRunning() || !signalGroup(this.pid, 'SIGTERM')) return;
    this.reason = reason;
    this.timer = setTimeout(() => this.kill(), this.times.graceMs);
  }

  private kill(): void {
    if (this.isRunning()) signalGroup(this.pid, 'SIGKILL');
    this.timer = setTimeout(() => this.giveUp({ leftBehind: this.pid }), this.times.killTakesMs);
  }

  close(): void {
    clearTimeout(this.timer);
  }
}

/** rustic has no time-out of its own and long silent phases: silence alone is no stall. */
class StallWatch {
  private lastSign = performance.now();
  private lastTrace: string | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly pid: number,
    private readonly stallMs: number,
    private readonly onStall: () => void,
  ) {
    this.timer = setInterval(() => this.look(), Math.min(5_000, Math.max(20, stallMs / 5)));
  }

  sawOutput(): void {
    this.lastSign = performance.now();
  }

  private look(): void {
    const trace = traceOfWork(this.pid);
    if (trace !== this.lastTrace) this.sawOutput();
    this.lastTrace = trace;
    if (performance.now() - this.lastSign >= this.stallMs) this.onStall();
  }

  close(): void {
    clearInterval(this.timer);
  }
}

function errorCode(cause: unknown): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? 'UNKNOWN';
}
