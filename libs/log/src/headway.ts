/** A part has work and gets nowhere with it. */
export class NoHeadway extends Error {
  readonly code = 'no-headway';
  constructor(what: string, ms: number) {
    super(`${what} has got nowhere for ${Math.round(ms / 1000)} s, though there is work. The log says why.`);
    this.name = 'NoHeadway';
  }
}

/** How long a part may get nowhere before its service is not ready. Longer than any answer or decision may take. */
export const HEADWAY_LIMIT_MS = 60_000;

/**
 * Whether a part gets on with what there is to do: that its process lives, and that what it stands on answers, does not say so.
 * Work has to end within the limit, and must not fail over and over for longer than that with nothing done in between.
 */
export class Headway {
  private readonly begun = new Set<{ at: number }>();
  private failing: { since: number; last: number } | undefined;

  /**
   * @param what the part, as the beginning of a sentence
   * @param now milliseconds on a clock that never goes back
   */
  constructor(
    private readonly what: string,
    private readonly limitMs = HEADWAY_LIMIT_MS,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A piece of work begins; the returned function says that it has ended, however it did. */
  begin(): () => void {
    const piece = { at: this.now() };
    this.begun.add(piece);
    return () => void this.begun.delete(piece);
  }

  /** Something is done. */
  gotOn(): void {
    this.failing = undefined;
  }

  /** Something has failed, and is tried again. */
  failed(): void {
    const now = this.now();
    this.failing = { since: this.isFailing(now) ? this.failing!.since : now, last: now };
  }

  /** @throws {NoHeadway} */
  check(): void {
    const now = this.now();
    const [oldest] = this.begun;
    const since = Math.min(oldest?.at ?? now, this.isFailing(now) ? this.failing!.since : now);
    if (now - since > this.limitMs) throw new NoHeadway(this.what, now - since);
  }

  /** What failed long ago and did not again, another copy has done meanwhile. */
  private isFailing(now: number): boolean {
    return this.failing !== undefined && now - this.failing.last <= this.limitMs;
  }
}
