import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** What a piece of work took of a service and of the rustic that it ran. */
export interface Watched {
  readonly seconds: number;
  /** The most that the service's process had resident. */
  readonly serviceBytes: number;
  /** The most that one rustic had resident, as far as it was seen; 0 where none ran. */
  readonly rusticBytes: number;
  /** The longest that the service's event loop was held up, or up to 10 ms less: it is looked at every 10 ms. */
  readonly longestPauseMs: number;
  /** How long its main thread had waited for a processor when that was seen. */
  readonly waitedMs: number;
  /** The longest that an event loop beside it was held up that has nothing to do: the machine's own pauses. */
  readonly idlePauseMs: number;
}

const LOOK_EVERY_MS = 200;

/** Does the work, and watches a service meanwhile: from within by its own metrics, from without by `/proc`. */
export async function watched(pid: number, work: () => Promise<unknown>): Promise<Watched> {
  const port = /(?:^|\0)BUCKETS_HTTP_PORT=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'latin1'))![1]!;
  await longestPause(port);
  // The peak begins anew.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const ended = new AbortController();
  await using idle = new IdleLoop();
  const [most, seconds] = await Promise.all([look(pid, port, ended.signal), timed(work).finally(() => ended.abort())]);
  return { ...most, seconds, serviceBytes: peakOf(String(pid)) ?? NaN, idlePauseMs: await idle.longestPauseMs() };
}

/** An event loop of its own, which does nothing but see how long it is held up, as a service sees it of its own. */
class IdleLoop implements AsyncDisposable {
  private readonly thread = new Worker(IDLE, { eval: true });

  async longestPauseMs(): Promise<number> {
    this.thread.postMessage('how long?');
    const [longest] = (await once(this.thread, 'message')) as [number];
    return longest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thread.terminate();
  }
}

const IDLE = `
  const { monitorEventLoopDelay } = require('node:perf_hooks');
  const { parentPort } = require('node:worker_threads');
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  parentPort.on('message', () => parentPort.postMessage(delays.max / 1e6));
`;

async function look(
  pid: number,
  port: string,
  until: AbortSignal,
): Promise<Pick<Watched, 'rusticBytes' | 'longestPauseMs' | 'waitedMs'>> {
  const most = { rusticBytes: 0, longestPauseMs: 0, waitedMs: 0 };
  let waited = waitedOf(pid);
  for (let isLast = false; !isLast;) {
    isLast = until.aborted;
    const pause = await longestPause(port);
    const before = waited;
    waited = waitedOf(pid);
    if (pause > most.longestPauseMs) Object.assign(most, { longestPauseMs: pause, waitedMs: waited - before });
    most.rusticBytes = Math.max(most.rusticBytes, ...processesNamed('rustic').map((pid) => peakOf(pid) ?? 0));
    await delay(LOOK_EVERY_MS, undefined, { signal: until }).catch(() => undefined);
  }
  return most;
}

/** In milliseconds, since it was last asked for. */
async function longestPause(port: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)![1]) * 1_000;
}

/** Milliseconds that its main thread has been ready to run, and was not let. */
function waitedOf(pid: number): number {
  return Number(text(`/proc/${pid}/task/${pid}/schedstat`).split(' ')[1]) / 1e6;
}

function processesNamed(name: string): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && text(`/proc/${pid}/comm`) === `${name}\n`);
}

/** The most bytes that a process had resident; undefined when it is gone. */
function peakOf(pid: string): number | undefined {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(text(`/proc/${pid}/status`)) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function text(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // It has ended by now.
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}
