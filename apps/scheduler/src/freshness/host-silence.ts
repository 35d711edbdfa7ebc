import type { Clock } from '../activity/clock.js';

/**
 * One timer for each host that was heard: it tells when the host has been silent for longer than the limit, and when
 * it is heard again after that.
 */
export class HostSilence {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly silent = new Set<string>();

  constructor(
    private readonly limitMs: number,
    private readonly clock: Clock,
    private readonly seenAt: (hostId: string) => number | undefined,
    private readonly changed: (hostId: string, silent: boolean) => void,
  ) {}

  /** The host has given a sign of life, just now or a while ago. */
  heard(hostId: string): void {
    if (this.timers.has(hostId)) return;
    const leftMs = this.leftMs(hostId);
    if (leftMs <= 0) return this.fall(hostId);
    this.wait(hostId, leftMs);
    if (this.silent.delete(hostId)) this.changed(hostId, false);
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private wait(hostId: string, leftMs: number): void {
    // A millisecond more, so that the limit is passed and not just reached.
    const look = (): void => {
      this.timers.delete(hostId);
      this.heard(hostId);
    };
    this.timers.set(hostId, setTimeout(look, leftMs + 1));
  }

  private leftMs(hostId: string): number {
    return (this.seenAt(hostId) ?? Number.NEGATIVE_INFINITY) + this.limitMs - this.clock.now();
  }

  private fall(hostId: string): void {
    if (this.silent.has(hostId)) return;
    this.silent.add(hostId);
    this.changed(hostId, true);
  }
}
