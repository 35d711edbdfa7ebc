import { countText } from '@buckets/contracts';
import type { Logger } from '@buckets/service';

/** Lines of the log about single hosts at one look: what takes a network down takes many of them. */
const MOST_NAMED = 10;

export interface SilentHostsParts {
  /** When each host was last heard, by the clock of `now`; undefined of one that never was. */
  seenAt: (hostId: string) => number | undefined;
  log: Pick<Logger, 'warn' | 'info'>;
  silenceLimitMs: number;
}

/**
 * Hosts that are to do something, and of which nothing is heard. What falls silent, and what comes back, is logged once.
 * While nobody listens, or has not for long enough, no host is silent for that.
 */
export class SilentHosts {
  private silent: ReadonlySet<string> = new Set();

  constructor(private readonly parts: SilentHostsParts) {}

  get size(): number {
    return this.silent.size;
  }

  /** What people should see to; null when there is nothing. It is told to everybody, so it names no host. */
  warning(): string | null {
    if (this.silent.size === 0) return null;
    return `Nothing is heard of ${countText(this.silent.size, 'host')}: their work waits. GET /v1/hosts says which, and since when.`;
  }

  /**
   * @param hosts all that are to do something
   * @param listeningSince by the clock of `now`; Infinity while nobody listens
   */
  look(hosts: Iterable<string>, { now, listeningSince }: { now: number; listeningSince: number }): void {
    const { seenAt, silenceLimitMs } = this.parts;
    if (now - listeningSince <= silenceLimitMs) return;
    const silent = [...hosts].filter((hostId) => now - (seenAt(hostId) ?? -Infinity) > silenceLimitMs);
    const before = this.silent;
    this.silent = new Set(silent);
    this.tell(
      silent.filter((hostId) => !before.has(hostId)),
      (hostId) => this.warn(hostId, now),
      'More hosts have fallen silent',
    );
    this.tell(
      [...before].filter((hostId) => !this.silent.has(hostId)),
      (hostId) => this.parts.log.info({ hostId }, 'A host is heard again'),
      'More hosts are heard again',
    );
  }

  private warn(hostId: string, now: number): void {
    const seenAt = this.parts.seenAt(hostId);
    if (seenAt === undefined) {
      this.parts.log.warn({ hostId }, 'A host that has projects has never been heard: start its worker');
    } else {
      const silentSeconds = Math.round((now - seenAt) / 1_000);
      this.parts.log.warn({ hostId, silentSeconds }, 'A host has fallen silent: its work waits');
    }
  }

  private tell(hosts: readonly string[], about: (hostId: string) => void, others: string): void {
    hosts.slice(0, MOST_NAMED).forEach(about);
    if (hosts.length > MOST_NAMED) this.parts.log.warn({ hosts: hosts.length - MOST_NAMED }, others);
  }
}
