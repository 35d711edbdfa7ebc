import type { Commands } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';
import { everyTick } from '../leadership/every-tick.js';
import { PacedRequests, type RequestOutcome } from '../requests/paced-requests.js';
import { dueBackups, type DueBackup } from './due-backups.js';
import type { ScheduleTables } from './schedule-tables.js';

export interface ScheduleParts {
  tables: Pick<ScheduleTables, 'unprotected' | 'openBackups'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a backup. */
  request: (command: Commands['request-backup']['command']) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: RequestOutcome) => void;
  tickMs: number;
  /** New requests in one tick, on all hosts together. */
  atMost: number;
  /** Backups that are queued or under way on one host, beyond which none is added. */
  perHost: number;
}

const PAGE = 500;
const REFUSED_PAUSE_MS = 10 * 60_000;

/** Asks for a backup of each project that has been without protection for its interval. */
export class Schedule {
  private readonly requests: PacedRequests<Commands['request-backup']['command']>;

  constructor(private readonly parts: ScheduleParts) {
    const failed = 'A backup that is due could not be asked for';
    this.requests = new PacedRequests({ ...parts, failed, refusedPauseMs: REFUSED_PAUSE_MS });
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    await everyTick((now) => this.tick(now), {
      tickMs,
      log,
      failed: 'The schedule could not be looked at; trying again',
      signal,
    });
  }

  /** @returns how many backups were asked for */
  async tick(now: number): Promise<number> {
    // Tables that were put back show projects without their newest backups.
    if (!(await this.requests.mayFollow())) return 0;
    const due = await this.due(now);
    await Promise.all(due.map(({ projectId, key }) => this.requests.ask({ key, command: { projectId, key } })));
    return due.length;
  }

  private async due(now: number): Promise<DueBackup[]> {
    const { tables, atMost, perHost } = this.parts;
    const open = await tables.openBackups();
    const byHost = new Map<string, DueBackup[]>();
    for (let after: string | undefined = ''; after !== undefined;) {
      const page = await tables.unprotected({ now, after, limit: PAGE });
      const due = dueBackups(now, page).filter(({ key }) => !this.requests.isPaused(key));
      for (const [hostId, backups] of Map.groupBy(due, ({ hostId }) => hostId)) {
        const room = Math.max(0, perHost - (open.get(hostId) ?? 0));
        byHost.set(hostId, longestOverdue([...(byHost.get(hostId) ?? []), ...backups], room));
      }
      after = page.length < PAGE ? undefined : page.at(-1)!.id;
    }
    return longestOverdue([...byHost.values()].flat(), atMost);
  }
}

function longestOverdue(backups: DueBackup[], atMost: number): DueBackup[] {
  return backups.toSorted((a, b) => a.dueAt - b.dueAt).slice(0, atMost);
}
