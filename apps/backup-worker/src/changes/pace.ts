import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';

/** Longest stretch of synchronous work between two turns of the event loop, in milliseconds. */
const SLICE_MS = 2;
/** Longest rest: a loop that is not wanted any more hears of it by then. A rate below some 2,000 a second is thus not kept. */
const REST_LIMIT_MS = 100;

/**
 * Keeps a long loop of small synchronous steps from holding up the process, and within a rate:
 * `if (pace.spent()) await pace.rest();`
 */
export class Pace {
  #steps = 0;
  #sliceBegan = performance.now();
  readonly #began = performance.now();

  constructor(private readonly stepsPerSecond = Infinity) {}

  /** Counts a step; true when it is time to rest. */
  spent(): boolean {
    this.#steps += 1;
    return performance.now() - this.#sliceBegan >= SLICE_MS;
  }

  /** Lets everything else run; takes longer when the steps so far were faster than the rate. */
  async rest(): Promise<void> {
    const ahead = (this.#steps / this.stepsPerSecond) * 1000 - (performance.now() - this.#began);
    await (ahead >= 1 ? delay(Math.min(ahead, REST_LIMIT_MS)) : nextTurn());
    this.#sliceBegan = performance.now();
  }
}
