/**
 * Notices when the clock that stamps files is set back: a change after that may have an earlier stamp than one before. What is
 * set back and put right again between two looks stays unnoticed.
 */
export class ClockWatch {
  /** How far the clock is ahead of the steady one, at least. */
  #ahead = -Infinity;
  #setBackAt = -Infinity;

  /** `wall`: milliseconds since 1970, whole ones. `steady`: milliseconds of a clock that nobody sets. */
  constructor(
    private readonly wall = (): number => Date.now(),
    private readonly steady = (): number => performance.now(),
  ) {
    this.look();
  }

  look(): void {
    const before = this.steady();
    const wall = this.wall();
    const after = this.steady();
    // However long this process stood still in between, and whatever the wall clock leaves off of a millisecond.
    if (wall + 1 - before < this.#ahead) this.#setBackAt = after;
    this.#ahead = wall - after;
  }

  /** `moment`: of the steady clock. */
  wasSetBackSince(moment: number): boolean {
    this.look();
    return this.#setBackAt >= moment;
  }
}
