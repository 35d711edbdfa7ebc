import type { Commands } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';
import { everyTick } from '../leadership/every-tick.js';
import { PacedRequests, type PacedRequest, type RequestOutcome } from '../requests/paced-requests.js';
import { Walk } from '../requests/walk.js';
import {
  DOUBT_MS,
  dueLooks,
  dueTidyings,
  MARGIN_MS,
  type DoubtfulProject,
  type DueTidying,
  type OrphanedProject,
} from './due-tidyings.js';
import type { OrphansTables } from './orphans-tables.js';

type Tidying = Commands['request-tidy']['command'];

export interface TidyingsParts {
  tables: Pick<OrphansTables, 'orphaned' | 'doubtful'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a tidying. */
  request: (command: Tidying) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: RequestOutcome) => void;
  tickMs: number;
  graceMs: number;
}

const PAGE = 500;
/** New requests of either sort in one tick: nobody waits for them. */
const AT_MOST = 5;
const REFUSED_PAUSE_MS = 6 * 60 * 60_000;

/**
 * Has each repository tidied in which an operation may have left snapshots that are no backups, or of which nobody knows
 * whether a backup is still in it.
 */
export class Tidyings {
  private readonly requests: PacedRequests<Tidying>;
  private readonly doubtful = new Walk<DoubtfulProject>(PAGE);
  private readonly orphaned = new Walk<OrphanedProject>(PAGE);

  constructor(private readonly parts: TidyingsParts) {
    const failed = 'A repository that may hold orphans could not be tidied';
    // Where no repository was made yet, nothing can lie about. Once there is one, something may, with the same key.
    const expected = 'no-repository';
    this.requests = new PacedRequests({ ...parts, failed, expected, refusedPauseMs: REFUSED_PAUSE_MS });
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    await everyTick((now) => this.tick(now), {
      tickMs,
      log,
      failed: 'Orphans could not be looked for; trying again',
      signal,
    });
  }

  async tick(now: number): Promise<void> {
    // Tables that were put back may show orphans that are gone.
    if (!(await this.requests.mayFollow())) return;
    const { tables, graceMs } = this.parts;
    const doubtful = this.doubtful.on((page) => tables.doubtful({ before: now - DOUBT_MS, ...page }));
    const orphaned = this.orphaned.on((page) => tables.orphaned({ before: now - graceMs - MARGIN_MS, ...page }));
    // A few of either, so that none keeps the other from its turn.
    await this.requests.askForSome(
      this.wanted(doubtful, (project) => dueLooks(now, [project])),
      AT_MOST,
    );
    await this.requests.askForSome(
      this.wanted(orphaned, (project) => dueTidyings(now, [project], graceMs)),
      AT_MOST,
    );
  }

  private async *wanted<Project>(
    projects: AsyncIterable<Project>,
    dueOf: (project: Project) => DueTidying[],
  ): AsyncGenerator<PacedRequest<Tidying>> {
    const graceSeconds = Math.ceil(this.parts.graceMs / 1000);
    for await (const project of projects) {
      for (const due of dueOf(project)) yield { key: due.key, command: { ...due, graceSeconds } };
    }
  }
}
