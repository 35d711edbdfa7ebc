/** The whole of what was due long ago is looked at for so small a part of the time. */
const WHOLE_LOOKS = 1 / 10;

/**
 * From where on it is looked for what is due. Postgres keeps what was due and is done for as long as any transaction is open
 * that began before: each look would pass over all of it. Where that takes long, most looks begin where the one before has
 * found the first that is due; what has come to be due before that is found by the next whole look. Pure.
 */
export class Front {
  private first = -Infinity;
  private wholeAt = -Infinity;

  /** @param now milliseconds of a clock that is never set @returns the moment, minus infinity for a whole look */
  from(now: number): number {
    return now >= this.wholeAt ? -Infinity : this.first;
  }

  /** After a look: `first` is the earliest that it has found, or the moment until which nothing was due; none when it failed. */
  looked({ from, first, beganAt, endedAt }: { from: number; first?: number; beganAt: number; endedAt: number }): void {
    if (from === -Infinity) this.wholeAt = endedAt + (endedAt - beganAt) / WHOLE_LOOKS;
    if (first !== undefined) this.first = first;
  }
}
