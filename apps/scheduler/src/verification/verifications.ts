import type { Commands } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';
import { everyTick } from '../leadership/every-tick.js';
import type { VerificationTables } from './verification-tables.js';

export interface VerificationsParts {
  tables: Pick<VerificationTables, 'due'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a verification. */
  request: (command: Commands['request-verify']['command']) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: 'requested' | 'refused' | 'failed') => void;
  tickMs: number;
  /** Between two looks at one repository. */
  intervalMs: number;
}

/** New requests in one tick: nobody waits for them. */
const AT_MOST = 5;
/** The tables show a request soon; until then it is not repeated. */
const ASKED_PAUSE_MS = 60_000;
const REFUSED_PAUSE_MS = 60 * 60_000;
/** Of those that are due, so many are looked at: what pauses must not hide what is behind it. */
const LOOKED_AT = 500;

/** Has each repository looked at now and then, whether what should be in it is there: a few at a time, by turns. */
export class Verifications {
  /** When a request may be repeated, by its key. */
  private readonly pauses = new Map<string, number>();
  private furthest = 0;

  constructor(private readonly parts: VerificationsParts) {}

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    const failed = 'What is to be verified could not be looked for; trying again';
    await everyTick((now) => this.tick(now), { tickMs, log, failed, signal });
  }

  async tick(now: number): Promise<void> {
    const { tables, position, clock, intervalMs } = this.parts;
    const reached = await position();
    // Tables that were put back do not know what was looked at since.
    if (reached < this.furthest) return;
    this.furthest = reached;
    for (const [key, until] of this.pauses) if (until <= clock.now()) this.pauses.delete(key);
    const due = await tables.due({ before: now - intervalMs, limit: LOOKED_AT });
    for (const one of due.filter(({ key }) => !this.pauses.has(key)).slice(0, AT_MOST)) await this.request(one);
  }

  private async request({ projectId, key }: Commands['request-verify']['command']): Promise<void> {
    const { request, clock, log, ended } = this.parts;
    try {
      await request({ projectId, key });
      this.pauses.set(key, clock.now() + ASKED_PAUSE_MS);
      ended?.('requested');
    } catch (error) {
      const final = error instanceof Refused && !error.refusal.retry;
      this.pauses.set(key, clock.now() + (final ? REFUSED_PAUSE_MS : ASKED_PAUSE_MS));
      ended?.(final ? 'refused' : 'failed');
      log.warn({ error, projectId }, 'A repository could not be had verified');
    }
  }
}
