/**
 * A disk that goes away now and then. Whoever looks at it or writes to it on behalf of the suite is waited for before it
 * goes, and waits until it is back; the product is not asked.
 */
export class SharedDisk {
  readonly #uses = new Set<Promise<unknown>>();
  /** The end of the last absence that was asked for; undefined when it is over. */
  #away: Promise<unknown> | undefined;

  /** Does something while the disk is there. Not from within another use of it. */
  async use<R>(work: () => Promise<R>): Promise<R> {
    while (this.#away !== undefined) await this.#away;
    const use = work();
    this.#uses.add(use);
    try {
      return await use;
    } finally {
      this.#uses.delete(use);
    }
  }

  /** Does something during which the disk is away. */
  async whileAway<R>(work: () => Promise<R>): Promise<R> {
    const before = this.#away;
    const gone = Promise.allSettled([before, ...this.#uses]).then(work);
    const over = gone.then(ignored, ignored); // Whoever has asked for it hears of a failure.
    this.#away = over;
    try {
      return await gone;
    } finally {
      if (this.#away === over) this.#away = undefined;
    }
  }
}

function ignored(): void {}
