import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { knownLog, LogMismatch, LogUnreachable, News, PositionRow, provisionStreams, streamInfo } from '@buckets/log';
import type { StreamLimits } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import { withDeadline, type Logger } from '@buckets/service';
import type { DataSource } from 'typeorm';
import { TablesProjection } from '../tables/tables-projection.js';
import { provisionHostQueues } from './host-queues.js';

export interface KnownLogParts {
  nats: NatsConnection;
  jsm: JetStreamManager;
  data: DataSource;
  limits: StreamLimits;
  log: Logger;
}

const BETWEEN_TRIES = new Backoff({ firstMs: 250, maxMs: 5_000 });
/** Somebody may delete a stream while NATS runs. */
const LOOK_AGAIN_MS = 30_000;
/** Somebody waits: better a 503 within seconds. */
const CERTAIN_WITHIN_MS = 4_000;

/**
 * Sees to it that nothing is appended to a log that is not the one that the tables know. Looks when the API starts,
 * whenever it had lost NATS, and every now and then: streams in memory and queues of hosts may be gone too, and are made
 * again. While the log is missing, another one, or an older copy, it makes nothing and lets nobody append, until the log is right again.
 */
export class KnownLog {
  private readonly tables = new TablesProjection();
  private readonly row = new PositionRow(this.tables);
  private readonly closing = new AbortController();
  /** Undefined while nobody knows, as NATS is away or was away just now. */
  private verdict: 'known' | LogMismatch | undefined;
  private failure: unknown;
  private change = Promise.withResolvers<void>();
  /** Counts the times that NATS went away: what was seen before counts no more. */
  private connection = 0;
  private again = new AbortController();
  private work: Promise<void> | undefined;

  private constructor(private readonly parts: KnownLogParts) {}

  /** @throws what NATS and Postgres throw; a log that is not known is no reason not to start */
  static async open(parts: KnownLogParts): Promise<KnownLog> {
    const known = new KnownLog(parts);
    void known.follow();
    await known.look().catch((error: unknown) => {
      if (!(error instanceof LogMismatch)) throw error;
      known.refuse(error);
    });
    known.work = known.keep();
    return known;
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.changed();
    await this.work;
  }

  /** Why nothing can be appended at the moment. */
  get trouble(): Error | undefined {
    if (this.verdict === 'known') return undefined;
    return this.verdict ?? new LogUnreachable(this.failure);
  }

  /**
   * Resolves when this is known to be the right log.
   *
   * @throws {LogMismatch} with what to do
   * @throws {LogUnreachable} when nobody can tell within seconds
   */
  readonly certain = async (): Promise<void> => {
    const deadline = performance.now() + CERTAIN_WITHIN_MS;
    while (this.verdict === undefined && !this.closing.signal.aborted) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await withDeadline(this.change.promise, leftMs, 'Looking at the log').catch(() => undefined);
    }
    if (this.trouble !== undefined) throw this.trouble;
  };

  private async keep(): Promise<void> {
    const { signal } = this.closing;
    const news = new News();
    for (let failures = 0; !signal.aborted;) {
      const { connection } = this;
      try {
        await this.look();
        const made = await provisionHostQueues(this.parts.jsm, this.parts.data);
        if (made.length > 0) this.parts.log.info({ hosts: made.length }, 'Made the queues of hosts');
        failures = 0;
        news.over();
        if (connection === this.connection) await this.pause(LOOK_AGAIN_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LogMismatch) this.refuse(error);
        else if (news.is(error))
          this.parts.log.warn({ error }, 'The log cannot be looked at, or not all made that it needs; trying again');
        this.failure = error;
        await this.pause(BETWEEN_TRIES.delayMs(++failures));
      }
    }
  }

  /** Compares log and tables, and makes what is missing. @throws {LogMismatch} and makes nothing */
  private async look(): Promise<void> {
    const { jsm, data, limits, log } = this.parts;
    const { connection } = this;
    const known = await this.row.readIfThere(data);
    const info = await knownLog(jsm, this.tables.name, known);
    if (info !== null && known !== null && known.position > 0 && (await streamInfo(jsm, STREAM.claims)) === null) {
      // Claims that nobody has decided are gone with it: hosts have to be told of open operations again.
      const hosts = await provisionHostQueues(jsm, data, { anew: true });
      log.warn({ hosts: hosts.length }, 'The stream of claims is gone: open operations are handed out once more');
    }
    await provisionStreams(jsm, limits);
    if (info === null)
      log.info({}, 'There was no log, and no tables knew one: a new one begins here, with nothing in it');
    if (connection !== this.connection) throw new Error('NATS went away meanwhile.');
    if (this.verdict instanceof LogMismatch) log.info('The log is the one again that the tables know');
    this.verdict = 'known';
    this.changed();
  }

  private refuse(error: LogMismatch): void {
    const isNews = !(this.verdict instanceof LogMismatch) || this.verdict.message !== error.message;
    this.verdict = error;
    if (isNews) this.parts.log.error({ kind: error.kind }, error.message);
    this.changed();
  }

  private async follow(): Promise<void> {
    for await (const { type } of this.parts.nats.status()) {
      if (type === 'disconnect') {
        this.connection++;
        this.verdict = undefined;
      }
      if (type === 'reconnect') this.again.abort();
    }
  }

  /** Shorter when NATS is back meanwhile. */
  private async pause(ms: number): Promise<void> {
    this.again = new AbortController();
    const ends = AbortSignal.any([this.closing.signal, this.again.signal]);
    await delay(ms, undefined, { signal: ends }).catch(() => undefined);
  }

  private changed(): void {
    this.change.resolve();
    this.change = Promise.withResolvers();
  }
}
