import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { errorCode } from '../file-system/paths.js';
import { identify, signalGroup, traceOfWork } from './system-process.js';

/** How long somebody is willing to wait for a run, and how they say that they no longer are. */
export interface Patience {
  signal?: AbortSignal;
  /** Told of every sign of work; must not throw. */
  onSign?: () => void;
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
  /** Something that differs whenever the run has done some work since; by default that of its first process alone. */
  traceOf?: (pid: number) => string | undefined;
}

/** A timer that is set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** From the end of a process until the last of its output is here. */
const OUTPUT_TAKES_MS = 1_000;

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
  const closed = subprocess.then(({ exitCode, signal, cause }): EndedProcess =>
    pid === undefined ? { startError: errorCode(cause) ?? 'UNKNOWN' } : { exitCode, signal },
  );
  if (pid === undefined) return closed;
  const ended = Promise.race([closed, endOf(subprocess.nodeChildProcess)]);

  // What has ended, and was not waited for yet, has come to its end by itself.
  const isRunning = () => {
    const { exitCode, signalCode } = subprocess.nodeChildProcess;
    return exitCode === null && signalCode === null && identify(pid) !== undefined;
  };
  const stopping = new Stopping(pid, times, isRunning);
  const trace = () => (run.traceOf ?? traceOfWork)(pid);
  const watch = new StallWatch(trace, patience, () => stopping.stop('stalled'));
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

/** A program may have long silent phases, as rustic has: silence alone is no stall. */
class StallWatch {
  private silentMs = 0;
  private lastLook = performance.now();
  private lastTrace: string | undefined;
  private readonly pauseMs: number;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly trace: () => string | undefined,
    private readonly patience: Patience,
    private readonly onStall: () => void,
  ) {
    this.pauseMs = Math.min(5_000, Math.max(20, patience.stallMs / 5));
    this.timer = setInterval(() => this.look(), this.pauseMs);
  }

  sawOutput(): void {
    this.silentMs = 0;
    this.patience.onSign?.();
  }

  private look(): void {
    const now = performance.now();
    // While this very process stood still, it saw nothing because it could not look.
    this.silentMs += Math.min(now - this.lastLook, 2 * this.pauseMs);
    this.lastLook = now;
    const trace = this.trace();
    if (trace !== this.lastTrace) this.sawOutput();
    this.lastTrace = trace;
    if (this.silentMs >= this.patience.stallMs) this.onStall();
  }

  close(): void {
    clearInterval(this.timer);
  }
}

/**
 * The end of the process itself. What it has started may live on and hold its outputs open, as what an operator's command
 * starts does: these are read on, and waited for no longer.
 */
async function endOf(child: ChildProcess): Promise<EndedProcess> {
  const [exitCode, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  await delay(OUTPUT_TAKES_MS, undefined, { ref: false });
  for (const output of [child.stdout, child.stderr]) (output as Socket | null)?.unref();
  return { exitCode: exitCode ?? undefined, signal: signal ?? undefined };
}
