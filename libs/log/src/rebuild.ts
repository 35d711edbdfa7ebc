import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { DataSource } from 'typeorm';
import { STREAM } from '@buckets/contracts';
import { quietPause } from '@buckets/patience';
import { LogMismatch, ProjectionLed } from './errors.js';
import { knownLog } from './known-log.js';
import { GIVE_WAY, Lead, leaderOf, leadOf } from './lead.js';
import { readLog } from './log-reader.js';
import { hashOf, PositionRow, type StoredPosition } from './position.js';
import type { Projection, ProjectionBatch } from './projection.js';
import { eventsIn } from './projector.js';
import { logIdentity } from './streams.js';

export interface RebuildOptions {
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** Without time limits for statements: one transaction takes as long as the whole log needs. */
  data: DataSource;
  projection: Projection;
  /** How long a leader may take to give way, in milliseconds; default 30,000. */
  leadWithinMs?: number;
  /** Called every now and then. */
  onProgress?: (progress: { position: number; of: number }) => void;
}

export interface Rebuilt {
  messages: number;
  events: number;
  /** The position that the tables are at. */
  position: number;
  /** Seconds that the reading and writing took. */
  seconds: number;
}

const ASK_EVERY_MS = 250;
/** Many: a row that changes again and again is written once for all of them. */
const AT_ONCE = 2_000;

/**
 * Makes a projection's tables anew from the whole log, in one transaction: whoever reads sees the old rows until it is
 * done, and if it fails, nothing has happened. Running services need not be stopped: their leader gives way, and until
 * the end their tables stay where they are (so commands, which wait for their own events, are answered with 503).
 *
 * A rebuild from another log than before, or from an older copy of it, is taken for what is wanted.
 *
 * @throws {ProjectionLed} when a leader does not give way
 */
export async function rebuildProjection({
  js,
  jsm,
  data,
  projection,
  leadWithinMs = 30_000,
  onProgress = () => undefined,
}: RebuildOptions): Promise<Rebuilt> {
  const info = await jsm.streams.info(STREAM.log);
  const row = new PositionRow(projection);
  const identity = logIdentity(info);
  await row.create(data, identity);
  const lead = await takeLead(data, projection, row.channel, leadWithinMs);
  const startedAt = performance.now();
  try {
    const to = (await jsm.streams.info(STREAM.log)).state.last_seq;
    let messages = 0;
    let events = 0;
    await data.transaction(async (rows) => {
      const before = await row.lock(rows);
      const apart = before.identity === identity ? await newerState(jsm, projection.name, before) : before.identity;
      if (apart !== null) await projection.putAside?.(rows, apart);
      await projection.clear(rows);
      let hash = '';
      const writer = new Writer((batch) => projection.apply(batch, rows));
      try {
        for await (const batch of readLog(js, jsm, { from: 1, to, signal: lead.lost, atOnce: () => AT_ONCE })) {
          const { events: known, unreadable } = eventsIn(batch);
          if (unreadable !== undefined) throw unreadable;
          await writer.write({ messages: batch, events: known });
          messages += batch.length;
          events += known.length;
          hash = hashOf(batch.at(-1)!);
          onProgress({ position: batch.at(-1)!.position, of: to });
        }
      } finally {
        await writer.written();
      }
      lead.lost.throwIfAborted();
      await row.move(rows, { position: to, identity, hash });
    });
    return { messages, events, position: to, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    await lead.giveUp();
  }
}

/** Writes one batch while the next one is being read and understood. */
class Writer {
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly apply: (batch: ProjectionBatch) => Promise<void>) {}

  /** Begins to write, when the batch before has been written. */
  async write(batch: ProjectionBatch): Promise<void> {
    await this.writing;
    this.writing = this.apply(batch);
    // Whoever waits for it next is told.
    this.writing.catch(() => undefined);
  }

  async written(): Promise<void> {
    await this.writing;
  }
}

/** What to call a newer state of this log that the tables were made from; null when they were made from this one. */
async function newerState(jsm: JetStreamManager, tables: string, before: StoredPosition): Promise<string | null> {
  try {
    await knownLog(jsm, tables, before);
    return null;
  } catch (error) {
    if (!(error instanceof LogMismatch)) throw error;
    return `${before.identity}_${before.position}`;
  }
}

async function takeLead(data: DataSource, projection: Projection, channel: string, withinMs: number): Promise<Lead> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    const lead = await Lead.take(data, leadOf(projection));
    if (lead !== null) return lead;
    await data.query('SELECT pg_notify($1, $2)', [channel, GIVE_WAY]);
    await quietPause(ASK_EVERY_MS);
  }
  throw new ProjectionLed(projection.name, await leaderOf(data, projection));
}
