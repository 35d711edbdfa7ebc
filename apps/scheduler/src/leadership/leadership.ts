import { setTimeout as pause } from 'node:timers/promises';
import { News } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import { withDeadline, type Logger } from '@buckets/service';
import type { DataSource, QueryRunner } from 'typeorm';

const STANDBY_MS = 1_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
const PROOF_EVERY_MS = 2_000;
const PROOF_DEADLINE_MS = 5_000;

/**
 * Of several copies of the scheduler one works, the others wait: whoever holds an advisory lock of Postgres, which
 * goes with its session. Two may believe it for a few seconds when a connection is cut; what they ask for is decided
 * by the API under the same keys, so nothing is done twice.
 */
export class Leadership {
  constructor(
    private readonly data: DataSource,
    private readonly name: string,
    private readonly log: Logger,
  ) {}

  /** Leads whenever it can, until the signal. `lead` must end soon after its own signal. */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const news = new News();
    for (let failures = 0; !signal.aborted;) {
      const session = this.data.createQueryRunner();
      try {
        if (await this.acquire(session)) await this.leadWith(session, lead, signal);
        failures = 0;
        news.over();
      } catch (error) {
        failures++;
        if (!signal.aborted && news.is(error)) this.log.warn({ error }, 'The scheduler does not lead; trying again');
      } finally {
        await this.release(session);
      }
      const delayMs = failures === 0 ? STANDBY_MS : BETWEEN_TRIES.delayMs(failures);
      await pause(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async leadWith(
    session: QueryRunner,
    lead: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.log.info('This copy of the scheduler leads');
    const lost = new AbortController();
    const ends = AbortSignal.any([signal, lost.signal]);
    const work = lead(ends).finally(() => lost.abort());
    try {
      await Promise.race([work, this.prove(session, ends)]);
    } finally {
      lost.abort();
      await work;
    }
  }

  /** Ends with the signal, and fails when the session is gone. */
  private async prove(session: QueryRunner, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await withDeadline(session.query('SELECT 1'), PROOF_DEADLINE_MS, 'Asking for the lock');
      await pause(PROOF_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async acquire(session: QueryRunner): Promise<boolean> {
    const [row] = (await session.query('SELECT pg_try_advisory_lock(hashtext($1)) AS leads', [this.name])) as [
      { leads: boolean },
    ];
    return row.leads;
  }

  private async release(session: QueryRunner): Promise<void> {
    try {
      await session.query('SELECT pg_advisory_unlock_all()');
    } catch (error) {
      this.log.info({ error }, 'The session that led is gone, and its lock with it');
    } finally {
      await session.release();
    }
  }
}
