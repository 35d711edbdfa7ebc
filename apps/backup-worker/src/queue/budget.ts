/** What a piece of work takes of the machine while it runs. */
export interface Cost {
  /** Processors. */
  cpus: number;
  memoryBytes: number;
}

/**
 * The share of the machine that all work together may take, in the order in which it was asked for: a large piece of
 * work at the front is not starved by small ones behind it. A piece larger than the whole budget runs alone.
 */
export class Budget {
  private free: Cost;
  private readonly waiting: { cost: Cost; begin: () => void }[] = [];

  constructor(private readonly whole: Cost) {
    this.free = { ...whole };
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /**
   * Runs the work when there is room for it, and has the room back when it has ended, however it did.
   *
   * @throws the signal's reason when it aborts before there is room: the place in the line is free at once
   */
  async spend<Result>(wanted: Cost, work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const cost: Cost = {
      cpus: Math.min(wanted.cpus, this.whole.cpus),
      memoryBytes: Math.min(wanted.memoryBytes, this.whole.memoryBytes),
    };
    await this.roomFor(cost, signal);
    try {
      return await work();
    } finally {
      this.free.cpus += cost.cpus;
      this.free.memoryBytes += cost.memoryBytes;
      this.beginWhatFits();
    }
  }

  private async roomFor(cost: Cost, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const place = { cost, begin: resolve };
    const leave = () => {
      const index = this.waiting.indexOf(place);
      // Not in the line any more: the room is taken already, and given back by whoever took it.
      if (index < 0) return;
      this.waiting.splice(index, 1);
      this.beginWhatFits();
      reject(signal?.reason as Error);
    };
    this.waiting.push(place);
    signal?.addEventListener('abort', leave, { once: true });
    this.beginWhatFits();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  private beginWhatFits(): void {
    for (let next = this.waiting[0]; next !== undefined && this.fits(next.cost); next = this.waiting[0]) {
      this.waiting.shift();
      this.free.cpus -= next.cost.cpus;
      this.free.memoryBytes -= next.cost.memoryBytes;
      next.begin();
    }
  }

  private fits(cost: Cost): boolean {
    return cost.cpus <= this.free.cpus && cost.memoryBytes <= this.free.memoryBytes;
  }
}
