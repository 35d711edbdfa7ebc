import type { Commands, ExpiryCode } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import { everyTick } from '../leadership/every-tick.js';
import type { Clock } from '../activity/clock.js';
import type { LimitsTables } from './limits-tables.js';
import { overdue, type HostsHeard, type OverdueOperation } from './overdue.js';

export interface LimitsParts {
  tables: Pick<LimitsTables, 'reached'>;
  hosts: HostsHeard;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane to end an operation. */
  expire: (command: OverdueOperation) => Promise<Commands['expire-operation']['result']>;
  /** For pauses only; whether time is up is told by the same clock as facts. */
  clock: Clock;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Called with how each command ended, for the metrics. */
  ended?: (code: ExpiryCode, outcome: 'ended' | 'refused' | 'failed') => void;
  tickMs: number;
  cancelLimitMs: number;
}

const PAGE = 500;
/** Commands under way at once. */
const AT_ONCE = 16;
const AFTER_FAILURE = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
const AFTER_ANSWER = new Backoff({ firstMs: 5_000, maxMs: 10 * 60_000 });

/** Has each operation ended whose time is up. It goes by the tables, so a restart forgets nothing. */
export class Limits {
  private readonly tried = new Map<string, Tried>();
  private furthest = 0;

  constructor(private readonly parts: LimitsParts) {}

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    await everyTick((now) => this.tick(now, signal), {
      tickMs,
      log,
      failed: 'The time limits could not be looked at; trying again',
      signal,
    });
  }

  async tick(now: number, signal?: AbortSignal): Promise<void> {
    const { tables, hosts, position, cancelLimitMs } = this.parts;
    const reached = await position();
    // Tables that were put back show operations that have ended since.
    if (reached < this.furthest) return;
    this.furthest = reached;
    const seen = new Set<string>();
    for (let after: string | undefined = ''; after !== undefined && signal?.aborted !== true;) {
      const page = await tables.reached({ now, cancelLimitMs, after, limit: PAGE });
      const due = overdue(now, page, { hosts, cancelLimitMs });
      for (const operation of due) seen.add(keyOf(operation));
      await this.expireAll(
        due.filter((operation) => this.mayTry(keyOf(operation), reached)),
        signal,
      );
      after = page.length < PAGE ? undefined : page.at(-1)!.id;
    }
    if (signal?.aborted === true) return;
    for (const key of this.tried.keys()) if (!seen.has(key) && this.mayTry(key, reached)) this.tried.delete(key);
  }

  /** Not again before the tables can show what followed, and the later the more often it was in vain. */
  private mayTry(key: string, reached: number): boolean {
    const tried = this.tried.get(key);
    return tried === undefined || (reached >= tried.shownAt && this.parts.clock.now() >= tried.notBefore);
  }

  private async expireAll(due: readonly OverdueOperation[], signal?: AbortSignal): Promise<void> {
    const waiting = due.values();
    const work = async (): Promise<void> => {
      for (const operation of waiting) {
        if (signal?.aborted === true) return;
        await this.expire(operation);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, work));
  }

  private async expire(operation: OverdueOperation): Promise<void> {
    const { expire, clock, log, ended } = this.parts;
    const { code, operationId, projectId } = operation;
    const times = (this.tried.get(keyOf(operation))?.times ?? 0) + 1;
    const after = (backoff: Backoff, shownAt = 0): void => {
      this.tried.set(keyOf(operation), { times, shownAt, notBefore: clock.now() + backoff.delayMs(times) });
    };
    try {
      const { position } = await expire(operation);
      after(AFTER_ANSWER, position);
      log.info({ operationId, projectId, code }, 'The time of an operation was up');
      ended?.(code, 'ended');
    } catch (error) {
      const final = error instanceof Refused && !error.refusal.retry;
      after(final ? AFTER_ANSWER : AFTER_FAILURE);
      ended?.(code, final ? 'refused' : 'failed');
      log.warn({ error, operationId, projectId, code }, 'An operation whose time is up could not be ended');
    }
  }
}

interface Tried {
  times: number;
  /** The position at which the tables show what followed. */
  shownAt: number;
  /** By the clock of pauses. */
  notBefore: number;
}

function keyOf({ operationId, code }: OverdueOperation): string {
  return `${operationId}/${code}`;
}
