/** What a piece of work keeps others of the same project from using meanwhile. */
export type Need = 'repository' | 'runtime';

/** A backup reads while its project is started, stopped and edited; a restore excludes all else. */
export const NEEDS = {
  backup: ['repository'],
  forget: ['repository'],
  tidy: ['repository'],
  verify: ['repository'],
  provision: ['runtime'],
  start: ['runtime'],
  stop: ['runtime'],
  restore: ['repository', 'runtime'],
} as const satisfies Record<string, readonly Need[]>;

interface Entry {
  needs: Set<Need>;
  active: boolean;
  begin: () => void;
}

/** The place that a piece of work has in its project's queue while it runs. */
export interface Turn {
  /**
   * Also keeps others from this, once what runs already has let go of it; whatever waits stays behind.
   *
   * @throws the signal's reason when it aborts first; what was held before is still held then
   */
  widen(need: Need, signal?: AbortSignal): Promise<void>;
}

/**
 * The order of one project's work: the order in which it was asked for, except that work which shares no need may
 * overlap. Nothing passes an earlier piece of work with the same need, however often that one is tried again.
 */
export class ProjectQueue {
  private readonly entries: Entry[] = [];

  get idle(): boolean {
    return this.entries.length === 0;
  }

  /**
   * Runs the work when its turn has come; its place is free again when it has ended, however it did.
   *
   * @throws the signal's reason when it aborts before the work's turn has come: its place is free at once
   */
  async run<Result>(
    needs: Iterable<Need>,
    work: (turn: Turn) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const entry: Entry = { needs: new Set(needs), active: false, begin: () => undefined };
    this.entries.push(entry);
    try {
      await this.turnOf(entry, signal);
      return await work({ widen: (need, until) => this.widen(entry, need, until) });
    } finally {
      this.entries.splice(this.entries.indexOf(entry), 1);
      this.beginWhatCan();
    }
  }

  private async widen(entry: Entry, need: Need, signal: AbortSignal | undefined): Promise<void> {
    const before = new Set(entry.needs);
    entry.needs.add(need);
    entry.active = false;
    try {
      await this.turnOf(entry, signal);
    } catch (error) {
      // Nobody has taken what it held: who came later stays behind it, and who came before had let go of it.
      entry.needs = before;
      entry.active = true;
      this.beginWhatCan();
      throw error;
    }
  }

  private async turnOf(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => reject(signal?.reason as Error);
    entry.begin = resolve;
    signal?.addEventListener('abort', leave, { once: true });
    this.beginWhatCan();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  private beginWhatCan(): void {
    for (const [index, entry] of this.entries.entries()) {
      if (entry.active) continue;
      const inTheWay = this.entries.some(
        (other, place) => other !== entry && (other.active || place < index) && overlap(other.needs, entry.needs),
      );
      if (inTheWay) continue;
      entry.active = true;
      entry.begin();
    }
  }
}

function overlap(one: Set<Need>, other: Set<Need>): boolean {
  return [...one].some((need) => other.has(need));
}
