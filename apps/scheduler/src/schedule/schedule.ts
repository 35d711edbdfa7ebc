import type { Commands } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import { everyTick } from '../leadership/every-tick.js';
import { dueBackups, type DueBackup } from './due-backups.js';
import type { ScheduleTables } from './schedule-tables.js';

export interface ScheduleParts {
  tables: Pick<ScheduleTables, 'unprotected' | 'openBackups'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a backup. */
  request: (command: Commands['request-backup']['command']) => Promise<unknown>;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: 'requested' | 'refused' | 'failed') => void;
  tickMs: number;
  /** New requests in one tick, on all hosts together. */
  atMost: number;
  /** Backups that are queued or under way on one host, beyond which none is added. */
  perHost: number;
}

const PAGE = 500;
/** The tables show a request soon; until then it is not repeated. */
const ASKED_PAUSE_MS = 60_000;
const REFUSED_PAUSE_MS = 10 * 60_000;

/** Asks for a backup of each project that has been without protection for its interval. */
export class Schedule {
  /** When a request may be repeated, by its key; milliseconds since 1970. */
  private readonly pauses = new Map<string, number>();
  private furthest = 0;

  constructor(private readonly parts: ScheduleParts) {}

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
    const position = await this.parts.position();
    // Tables that were put back show projects without their newest backups.
    if (position < this.furthest) return 0;
    this.furthest = position;
    for (const [key, until] of this.pauses) if (until <= now) this.pauses.delete(key);
    const due = await this.due(now);
    await Promise.all(due.map((backup) => this.request(backup, now)));
    return due.length;
  }

  private async due(now: number): Promise<DueBackup[]> {
    const { tables, atMost, perHost } = this.parts;
    const open = await tables.openBackups();
    const byHost = new Map<string, DueBackup[]>();
    for (let after: string | undefined = ''; after !== undefined;) {
      const page = await tables.unprotected({ now, after, limit: PAGE });
      const due = dueBackups(now, page).filter(({ key }) => !this.pauses.has(key));
      for (const [hostId, backups] of Map.groupBy(due, ({ hostId }) => hostId)) {
        const room = Math.max(0, perHost - (open.get(hostId) ?? 0));
        byHost.set(hostId, longestOverdue([...(byHost.get(hostId) ?? []), ...backups], room));
      }
      after = page.length < PAGE ? undefined : page.at(-1)!.id;
    }
    return longestOverdue([...byHost.values()].flat(), atMost);
  }

  private async request({ projectId, key }: DueBackup, now: number): Promise<void> {
    const { request, log, ended } = this.parts;
    try {
      await request({ projectId, key });
      this.pauses.set(key, now + ASKED_PAUSE_MS);
      ended?.('requested');
    } catch (error) {
      const final = error instanceof Refused && !error.refusal.retry;
      if (final) this.pauses.set(key, now + REFUSED_PAUSE_MS);
      ended?.(final ? 'refused' : 'failed');
      log.warn({ error, projectId }, 'A backup that is due could not be asked for');
    }
  }
}

function longestOverdue(backups: DueBackup[], atMost: number): DueBackup[] {
  return backups.toSorted((a, b) => a.dueAt - b.dueAt).slice(0, atMost);
}
