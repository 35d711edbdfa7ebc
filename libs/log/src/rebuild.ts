import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { DataSource } from 'typeorm';
import { STREAM } from '@buckets/contracts';
import { ProjectionLed } from './errors.js';
import { GIVE_WAY, Lead, leaderOf } from './lead.js';
import { readLog } from './log-reader.js';
import { hashOf, PositionRow } from './position.js';
import type { Projection } from './projection.js';
import { eventsIn } from './projector.js';
import { quietPause } from './retry-pause.js';
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

/**
 * Makes a projection's tables anew from the whole log, in one transaction: whoever reads sees the old rows until it is
 * done, and if it fails, nothing has happened. Running services need not be stopped: their leader gives way, and until
 * the end their tables stay where they are (so commands, which wait for their own events, are answered with 503).
 *
 * A rebuild from another log than before is taken for what is wanted.
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
      if (before.identity !== identity) await projection.putAside?.(rows, before.identity);
      await projection.clear(rows);
      let hash = '';
      for await (const batch of readLog(js, jsm, { from: 1, to, signal: lead.lost })) {
        const { events: known, unreadable } = eventsIn(batch);
        if (unreadable !== undefined) throw unreadable;
        await projection.apply({ messages: batch, events: known }, rows);
        messages += batch.length;
        events += known.length;
        hash = hashOf(batch.at(-1)!);
        onProgress({ position: batch.at(-1)!.position, of: to });
      }
      lead.lost.throwIfAborted();
      await row.move(rows, { position: to, identity, hash });
    });
    return { messages, events, position: to, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    await lead.giveUp();
  }
}

async function takeLead(data: DataSource, projection: Projection, channel: string, withinMs: number): Promise<Lead> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    const lead = await Lead.take(data, projection);
    if (lead !== null) return lead;
    await data.query('SELECT pg_notify($1, $2)', [channel, GIVE_WAY]);
    await quietPause(ASK_EVERY_MS);
  }
  throw new ProjectionLed(projection.name, await leaderOf(data, projection));
}
