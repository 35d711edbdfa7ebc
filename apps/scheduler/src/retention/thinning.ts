import type { Commands } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';
import { everyTick } from '../leadership/every-tick.js';
import { PacedRequests, type PacedRequest, type RequestOutcome } from '../requests/paced-requests.js';
import { Walk } from '../requests/walk.js';
import { noLongerKept } from './no-longer-kept.js';
import type { RetainedProject, RetentionTables } from './retention-tables.js';

type Deletion = Commands['request-forget']['command'];

export interface ThinningParts {
  tables: Pick<RetentionTables, 'retained'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane to have a backup deleted. */
  request: (command: Deletion) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: RequestOutcome) => void;
  tickMs: number;
}

const PAGE = 100;
/** New requests in one tick: nobody waits for them. */
const AT_MOST = 20;
/** One that came to nothing is tried again the next day: until then the same request finds what it did. */
const PAUSE_MS = 60 * 60_000;

/** Has the backups deleted that their project's retention keeps no longer: of each project one after the other. */
export class Thinning {
  private readonly requests: PacedRequests<Deletion>;
  private readonly walk = new Walk<RetainedProject>(PAGE);

  constructor(private readonly parts: ThinningParts) {
    const failed = 'A backup that is no longer kept could not be deleted';
    this.requests = new PacedRequests({ ...parts, failed, askedPauseMs: PAUSE_MS, refusedPauseMs: PAUSE_MS });
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    const failed = 'The retention of backups could not be looked at; trying again';
    await everyTick((now) => this.tick(now), { tickMs, log, failed, signal });
  }

  async tick(now: number): Promise<void> {
    // Tables that were put back may know an older retention.
    if (await this.requests.mayFollow()) await this.requests.askForSome(this.due(now), AT_MOST);
  }

  /** Of each project the oldest, but for those that only a person may delete. */
  private async *due(now: number): AsyncGenerator<PacedRequest<Deletion>> {
    const day = new Date(now).toISOString().slice(0, 10);
    for await (const { id, backups, retention } of this.walk.on((page) => this.parts.tables.retained(page))) {
      const keyOf = (backupId: string): string => `${id}/retention/${backupId}/${day}`;
      const oldest = noLongerKept(backups, retention).find(
        (backupId) => this.requests.refusalOf(keyOf(backupId)) !== 'last-good-backup',
      );
      if (oldest === undefined) continue;
      const key = keyOf(oldest);
      yield { key, command: { projectId: id, backupId: oldest, key } };
    }
  }
}
