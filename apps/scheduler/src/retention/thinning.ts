import type { Commands } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import { everyTick } from '../leadership/every-tick.js';
import { noLongerKept } from './no-longer-kept.js';
import type { RetentionTables } from './retention-tables.js';

export interface ThinningParts {
  tables: Pick<RetentionTables, 'retained'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane to have a backup deleted. */
  request: (command: Commands['request-forget']['command']) => Promise<unknown>;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: 'requested' | 'refused' | 'failed') => void;
  tickMs: number;
}

const PAGE = 100;
/** New requests in one tick: nobody waits for them. */
const AT_MOST = 20;

/** Has the backups deleted that their project's retention keeps no longer: of each project one after the other. */
export class Thinning {
  private furthest = 0;

  constructor(private readonly parts: ThinningParts) {}

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    const failed = 'The retention of backups could not be looked at; trying again';
    await everyTick((now) => this.tick(now), { tickMs, log, failed, signal });
  }

  async tick(now: number): Promise<void> {
    const { tables, position } = this.parts;
    const reached = await position();
    // Tables that were put back may know an older retention.
    if (reached < this.furthest) return;
    this.furthest = reached;
    let room = AT_MOST;
    for (let after: string | undefined = ''; after !== undefined && room > 0;) {
      const page = await tables.retained({ after, limit: PAGE });
      for (const { id, backups, retention } of page) {
        const [oldest] = noLongerKept(backups, retention);
        if (oldest !== undefined && room-- > 0) await this.request(id, oldest, now);
      }
      after = page.length < PAGE ? undefined : page.at(-1)!.id;
    }
  }

  /** One that comes to nothing is tried again the next day. */
  private async request(projectId: string, backupId: string, now: number): Promise<void> {
    const { request, log, ended } = this.parts;
    const key = `${projectId}/retention/${backupId}/${new Date(now).toISOString().slice(0, 10)}`;
    try {
      await request({ projectId, backupId, key });
      ended?.('requested');
    } catch (error) {
      ended?.(error instanceof Refused && !error.refusal.retry ? 'refused' : 'failed');
      log.warn({ error, projectId, backupId }, 'A backup that is no longer kept could not be deleted');
    }
  }
}
