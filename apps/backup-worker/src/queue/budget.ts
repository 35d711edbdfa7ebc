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

  async spend<Result>(wanted: Cost, work: () => Promise<Result>): Promise<Result> {
    const cost: Cost = {
      cpus: Math.min(wanted.cpus, this.whole.cpus),
      memoryBytes: Math.min(wanted.memoryBytes, this.whole.memoryBytes),
    };
    await new Promise<void>((begin) => {
      this.waiting.push({ cost, begin });
      this.beginWhatFits();
    });
    try {
      return await work();
    } finally {
      this.free.cpus += cost.cpus;
      this.free.memoryBytes += cost.memoryBytes;
      this.beginWhatFits();
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
