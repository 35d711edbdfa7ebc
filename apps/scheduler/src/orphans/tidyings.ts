import type { Commands } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import { everyTick } from '../leadership/every-tick.js';
import type { Clock } from '../activity/clock.js';
import { DOUBT_MS, dueLooks, dueTidyings, MARGIN_MS, type DueTidying } from './due-tidyings.js';
import type { OrphansTables } from './orphans-tables.js';

export interface TidyingsParts {
  tables: Pick<OrphansTables, 'orphaned' | 'doubtful'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a tidying. */
  request: (command: Commands['request-tidy']['command']) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: 'requested' | 'refused' | 'failed') => void;
  tickMs: number;
  graceMs: number;
}

const PAGE = 500;
/** New requests in one tick: nobody waits for them. */
const AT_MOST = 5;
/** The tables show a request soon; until then it is not repeated. */
const ASKED_PAUSE_MS = 60_000;
const REFUSED_PAUSE_MS = 6 * 60 * 60_000;

/**
 * Has each repository tidied in which an operation may have left snapshots that are no backups, or of which nobody knows
 * whether a backup is still in it.
 */
export class Tidyings {
  /** When a request may be repeated, by its key. */
  private readonly pauses = new Map<string, number>();
  private furthest = 0;

  constructor(private readonly parts: TidyingsParts) {}

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
    const position = await this.parts.position();
    // Tables that were put back may show orphans that are gone.
    if (position < this.furthest) return;
    this.furthest = position;
    for (const [key, until] of this.pauses) if (until <= this.parts.clock.now()) this.pauses.delete(key);
    for (const tidying of await this.due(now)) await this.request(tidying);
  }

  private async due(now: number): Promise<DueTidying[]> {
    const { tables, graceMs } = this.parts;
    const looks = await this.ofAll(async (after) => {
      const page = await tables.doubtful({ before: now - DOUBT_MS, after, limit: PAGE });
      return { page, due: dueLooks(now, page) };
    });
    const tidyings = await this.ofAll(async (after) => {
      const page = await tables.orphaned({ before: now - graceMs - MARGIN_MS, after, limit: PAGE });
      return { page, due: dueTidyings(now, page, graceMs) };
    });
    // A few of either, so that none keeps the other from its turn.
    return [...looks, ...tidyings];
  }

  /** The first few that are due and were not asked for a moment ago. */
  private async ofAll(
    read: (after: string) => Promise<{ page: { id: string }[]; due: DueTidying[] }>,
  ): Promise<DueTidying[]> {
    const found: DueTidying[] = [];
    for (let after: string | undefined = ''; after !== undefined && found.length < AT_MOST;) {
      const { page, due } = await read(after);
      found.push(...due.filter(({ key }) => !this.pauses.has(key)));
      after = page.length < PAGE ? undefined : page.at(-1)!.id;
    }
    return found.slice(0, AT_MOST);
  }

  private async request({ projectId, key }: DueTidying): Promise<void> {
    const { request, clock, log, ended, graceMs } = this.parts;
    const again = (inMs: number): void => void this.pauses.set(key, clock.now() + inMs);
    try {
      await request({ projectId, key, graceSeconds: Math.ceil(graceMs / 1000) });
      again(ASKED_PAUSE_MS);
      ended?.('requested');
    } catch (error) {
      if (error instanceof Refused && error.code === 'no-repository') {
        // Where no repository was ever made, nothing can lie about.
        again(Number.POSITIVE_INFINITY);
        return;
      }
      const final = error instanceof Refused && !error.refusal.retry;
      again(final ? REFUSED_PAUSE_MS : ASKED_PAUSE_MS);
      ended?.(final ? 'refused' : 'failed');
      log.warn({ error, projectId }, 'A repository that may hold orphans could not be tidied');
    }
  }
}
