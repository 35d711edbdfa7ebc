import { clockSkewOfHost, someNames, WARNED_SKEW_MS, type HostReport } from '@buckets/contracts';
import { skewInWords } from '@buckets/object-storage';
import type { Logger } from '@buckets/service';

/** One report may have waited on its way, which looks like a clock that is behind. */
const TIMES_IN_A_ROW = 2;
const MOST_NAMED = 10;

interface Skew {
  ms: number;
  /** How often in a row it was too large. */
  times: number;
}

/** Hosts whose clock differs from the control plane's. It is logged once when it begins, and once when it is over. */
export class ClockSkews {
  private readonly skews = new Map<string, Skew>();

  constructor(private readonly log: Pick<Logger, 'warn' | 'info'>) {}

  /** How many hosts are warned of. */
  get size(): number {
    return this.warnedOf().length;
  }

  /** What people should see to; null when there is nothing. */
  warning(): string | null {
    const hosts = this.warnedOf();
    if (hosts.length === 0) return null;
    const names = hosts.map(([hostId, { ms }]) => `${hostId} (${skewInWords(ms)})`);
    return `Set the clocks of these hosts, or object storage refuses their work: ${someNames(names, MOST_NAMED)}.`;
  }

  hear(hostId: string, report: HostReport, keptAt: Date): void {
    const clockSkewMs = clockSkewOfHost(report, keptAt);
    const before = this.skews.get(hostId)?.times ?? 0;
    const times = Math.abs(clockSkewMs) >= WARNED_SKEW_MS ? before + 1 : 0;
    this.skews.set(hostId, { ms: clockSkewMs, times });
    if (times === TIMES_IN_A_ROW) this.log.warn({ hostId, clockSkewMs }, 'The clock of a host is off: set it');
    if (times === 0 && before >= TIMES_IN_A_ROW) {
      this.log.info({ hostId, clockSkewMs }, 'The clock of a host is right again');
    }
  }

  /** Nobody listens any more. */
  forget(): void {
    this.skews.clear();
  }

  private warnedOf(): [hostId: string, skew: Skew][] {
    return [...this.skews].filter(([, { times }]) => times >= TIMES_IN_A_ROW);
  }
}
