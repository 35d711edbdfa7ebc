import type { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';

export interface ReportRequestsOptions {
  /** Asks a host to report on all its projects again. */
  ask: (hostId: string) => Promise<unknown>;
  backoff: Backoff;
  log: Pick<Logger, 'info'>;
}

/** Requests to one host in a row; if reports are still missed, whoever misses them will say so again. */
const MAX_ASKED = 8;

/**
 * Asks hosts for reports that are missing: the stream that keeps the latest ones lives in memory, and a worker does
 * not know what its control plane has lost. A host that reports by itself is not asked.
 */
export class ReportRequests {
  private readonly hosts = new Map<string, MissingReports>();

  constructor(private readonly options: ReportRequestsOptions) {}

  need(hostId: string, projectId: string): void {
    const missing = this.hosts.get(hostId);
    if (missing !== undefined) {
      missing.projects.add(projectId);
      return;
    }
    const first: MissingReports = { projects: new Set([projectId]), asked: 0 };
    this.hosts.set(hostId, first);
    this.wait(hostId, first);
  }

  /** The report is there, or nobody wants it any more. */
  settle(hostId: string, projectId: string): void {
    const missing = this.hosts.get(hostId);
    if (missing?.projects.delete(projectId) && missing.projects.size === 0) this.drop(hostId);
  }

  /** A silent host is not asked for anything. */
  drop(hostId: string): void {
    clearTimeout(this.hosts.get(hostId)?.timer);
    this.hosts.delete(hostId);
  }

  stop(): void {
    for (const hostId of [...this.hosts.keys()]) this.drop(hostId);
  }

  private wait(hostId: string, missing: MissingReports): void {
    missing.timer = setTimeout(() => void this.ask(hostId, missing), this.options.backoff.delayMs(missing.asked + 1));
  }

  private async ask(hostId: string, missing: MissingReports): Promise<void> {
    missing.asked++;
    try {
      await this.options.ask(hostId);
    } catch (error) {
      this.options.log.info({ error, hostId }, 'A host did not answer when it was asked for its reports');
    }
    if (this.hosts.get(hostId) !== missing) return;
    if (missing.asked < MAX_ASKED) this.wait(hostId, missing);
    else this.drop(hostId);
  }
}

interface MissingReports {
  projects: Set<string>;
  asked: number;
  timer?: NodeJS.Timeout;
}
