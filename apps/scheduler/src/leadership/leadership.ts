import { setTimeout as pause } from 'node:timers/promises';
import { Lead, News } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import { withDeadline, type Logger } from '@buckets/service';
import type { DataSource } from 'typeorm';

const STANDBY_MS = 1_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
const PROOF_EVERY_MS = 2_000;
const PROOF_DEADLINE_MS = 5_000;

/**
 * Of several copies of the scheduler one works, the others wait. Two may believe that they lead for a few seconds when a
 * connection is cut; what they ask for is decided by the API under the same keys, so nothing is done twice.
 */
export class Leadership {
  constructor(
    private readonly data: DataSource,
    private readonly name: string,
    private readonly log: Logger,
  ) {}

  /** Leads whenever it can, until the signal. `work` must end soon after its own signal. */
  async run(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const news = new News();
    for (let failures = 0; !signal.aborted;) {
      try {
        const lead = await Lead.take(this.data, this.name);
        if (lead !== null) await this.underLead(lead, work, signal);
        failures = 0;
        news.over();
      } catch (error) {
        failures++;
        if (!signal.aborted && news.is(error)) this.log.warn({ error }, 'The scheduler does not lead; trying again');
      }
      const delayMs = failures === 0 ? STANDBY_MS : BETWEEN_TRIES.delayMs(failures);
      await pause(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async underLead(
    lead: Lead,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.log.info('This copy of the scheduler leads');
    const over = new AbortController();
    const ends = AbortSignal.any([signal, lead.lost, over.signal]);
    const working = work(ends).finally(() => over.abort());
    try {
      await Promise.race([working, prove(lead, ends)]);
      if (!signal.aborted) lead.lost.throwIfAborted();
    } finally {
      over.abort();
      await working;
      await lead.giveUp().catch((error: unknown) => {
        this.log.info({ error }, 'The session that led is gone, and the lead with it');
      });
    }
  }
}

/** Ends with the signal, and fails when the session is gone. */
async function prove(lead: Lead, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await withDeadline(lead.prove(), PROOF_DEADLINE_MS, 'Asking for the lead');
    await pause(PROOF_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
