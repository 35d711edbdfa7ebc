import 'reflect-metadata';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { encode, envelope, STREAM, UnreadableMessage, type LoggedEvent, type NewIntent } from '@buckets/contracts';
import type { DataSource, EntityManager } from 'typeorm';
import { until } from '@buckets/patience';
import { Log } from './append.js';
import { LogGap, LogMismatch, ProjectionBehind, ProjectionLed } from './errors.js';
import { readLog } from './log-reader.js';
import { PositionRow } from './position.js';
import type { LogMessage } from './projection.js';
import { Projector } from './projector.js';
import { rebuildProjection } from './rebuild.js';
import { restoreLog } from './restore-log.js';
import { DEFAULT_LIMITS, provisionStreams } from './streams.js';
import { MemoryJournal } from './testing/memory-journal.js';
import { onOneServer, RealParts, SERVERS } from './testing/real-parts.js';
import { SeenProjection } from './testing/seen-projection.js';

jest.setTimeout(90_000);
const PATIENCE_MS = 40_000;
const PATIENT = { withinMs: PATIENCE_MS };

describe.each(SERVERS)('a projector on %s', (_on, servers) => {
  const onOne = onOneServer(servers);
  let parts: RealParts;
  let nats: NatsConnection;
  let jsm: JetStreamManager;
  let log: Log;
  let schema: string;
  let data: DataSource;
  let projectors: Projector[];
  let words: string[];
  let number = 0;

  beforeAll(async () => {
    parts = await RealParts.start(['nats', 'postgres'], servers);
  });
  afterAll(async () => {
    await parts.stop();
  });
  beforeEach(async () => {
    ({ nats, jsm } = await parts.freshLog());
    log = new Log(nats, jsm, 'buckets/test');
    schema = `seen_${++number}`;
    data = await parts.database('seen');
    await SeenProjection.createTable(data, schema);
    projectors = [];
    words = [];
  });
  afterEach(async () => {
    await Promise.all(projectors.map((projector) => projector.stop()));
    await parts.disconnect();
  });

  const say = (fields: object, message: string) => void words.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { info: say, warn: say, error: say };

  /** One process: a projector with connections of its own. */
  async function process(name = 'one', projection = new SeenProjection(schema)): Promise<[Projector, SeenProjection]> {
    const connection = await parts.connect();
    const own = await parts.database('seen', { name });
    const manager = await jetstreamManager(connection, { timeout: 2_000 });
    const projector = new Projector(jetstream(connection), manager, own, projection, logger);
    projectors.push(projector);
    return [projector, projection];
  }
  async function started(name?: string, projection?: SeenProjection): Promise<[Projector, SeenProjection]> {
    const made = await process(name, projection);
    await made[0].start();
    return made;
  }

  let hosts = 0;
  async function append(intents: NewIntent[] = []): Promise<LoggedEvent> {
    const event = { thing: 'api-key', type: 'revoked', data: { requestedBy: 'admin' } } as const;
    const [logged] = await log.append({ thing: 'api-key', id: `k${++hosts}`, expected: 0, events: [event], intents });
    return logged!;
  }
  const appendMany = async (count: number) => {
    for (let done = 0; done < count; done += 50) {
      await Promise.all(Array.from({ length: Math.min(50, count - done) }, () => append()));
    }
  };
  const seen = async () =>
    (await data.query<{ position: string }[]>(`SELECT position FROM ${schema}.seen ORDER BY position`)).map((row) =>
      Number(row.position),
    );
  const position = async () => {
    const [row] = await data.query<{ position: string }[]>(`SELECT position FROM ${schema}.projection_position`);
    return Number(row?.position);
  };
  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const endSessions = (which: string, rows: Pick<EntityManager, 'query'> = data) =>
    rows.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND ${which}`,
    );
  const LEADER = `pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)`;

  it('writes what is appended, and tells when it has', async () => {
    const [projector] = await started();
    for (let i = 1; i <= 5; i++) {
      const event = await append();
      await projector.waitFor(event.position, PATIENCE_MS);
      expect(await seen()).toEqual(upTo(i));
      expect(await position()).toBe(i);
    }
    expect(projector.position).toBe(5);
  });

  it('counts messages that are no events among the positions', async () => {
    const [projector, projection] = await started();
    const messages: string[] = [];
    projection.disturb = async (batch) => void messages.push(...batch.messages.map(({ subject }) => subject));
    const data = { operationId: 'o', generation: 1, requestedAt: new Date().toISOString() };
    const event = await append([{ kind: 'stop', hostId: 'h', projectId: 'p', data }]);
    await projector.waitFor(event.position + 1, PATIENCE_MS);
    expect(await seen()).toEqual([event.position]);
    expect(messages).toEqual([`buckets.event.api-key.${event.id}.revoked`, 'buckets.intent.h.p.stop']);
  });

  it('gathers after a batch what comes in, where nobody waits for its tables', async () => {
    const forLong = Object.assign(new SeenProjection(schema), { gatherMs: 3_600_000 });
    const [projector] = await started('one', forLong);
    await projector.waitFor((await append()).position, PATIENCE_MS);
    await appendMany(5);
    expect(await projector.reaches(2, { deadlineMs: 200 })).toBe(false);
    await projector.stop();

    const forShort = Object.assign(new SeenProjection(schema), { gatherMs: 1 });
    const [next] = await started('two', forShort);
    await next.waitFor(6, PATIENCE_MS);
    expect([await seen(), forLong.batches]).toEqual([upTo(6), [1]]);
  });

  onOne('moves rows and position together or not at all', async () => {
    const [projector, projection] = await process();
    let failures = 0;
    projection.disturb = async (_, rows) => {
      if (++failures <= 2) await rows.query('SELECT 1/0');
    };
    const event = await append();
    await projector.start();
    await until(() => projector.trouble !== undefined, { withinMs: PATIENCE_MS });
    expect(projector.failure).toBeUndefined();
    expect([await seen(), await position()]).toEqual([[], 0]);
    await projector.waitFor(event.position, PATIENCE_MS);
    expect([await seen(), await position()]).toEqual([[1], 1]);
    expect(projector.trouble).toBeUndefined();
    expect(words.join()).toContain('division by zero');
  });

  it('catches up in batches, and reads no more than one batch ahead', async () => {
    await appendMany(2_000);
    const [projector, projection] = await started();
    await projector.waitFor(2_000, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(2_000));
    expect(projection.batches.length).toBeLessThan(200);
    expect(Math.max(...projection.batches)).toBeLessThanOrEqual(500);

    await projector.stop();

    const slow = new AbortController();
    const reading = readLog(jetstream(nats), jsm, { from: 1, signal: slow.signal });
    const first = (await reading.next()).value as unknown[];
    let before = -1;
    const delivered = await until(async () => {
      const consumers = await jsm.consumers.list(STREAM.log).next();
      const most = Math.max(...consumers.map((consumer) => consumer.delivered.consumer_seq));
      const steady = most === before;
      before = most;
      await pause(100);
      return steady && most;
    });
    expect(delivered).toBeLessThanOrEqual(first.length + 1_000);
    slow.abort();
    expect((await reading.next()).done).toBe(true);
  });

  onOne('gets on with batches that are too much for one transaction, in smaller ones', async () => {
    await appendMany(300);
    const [projector, projection] = await process();
    const refused: number[] = [];
    projection.disturb = ({ messages }) => {
      // What a statement that takes too long does, at any size beyond that.
      if (messages.length <= 40) return Promise.resolve();
      refused.push(messages.length);
      return Promise.reject(new Error('canceling statement due to statement timeout'));
    };
    await projector.start();
    await projector.waitFor(300, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(300));
    expect(refused.length).toBeGreaterThan(0);
    projection.disturb = () => Promise.resolve();
    await appendMany(300);
    await projector.waitFor(600, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(600));
  });

  it('reads in batches that are bounded in bytes', async () => {
    await appendMany(60);
    const atOnceBytes = 3_000;
    const batches: LogMessage[][] = [];
    const signal = AbortSignal.timeout(PATIENCE_MS);
    for await (const batch of readLog(jetstream(nats), jsm, { from: 1, to: 60, signal, atOnceBytes }))
      batches.push(batch);
    expect(batches.flat().map(({ position: at }) => at)).toEqual(upTo(60));
    const bytesOf = (batch: LogMessage[]) => batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const batch of batches) expect(bytesOf(batch) <= atOnceBytes || batch.length === 1).toBe(true);
    const single = { from: 1, to: 5, signal, atOnceBytes: 1 };
    for await (const batch of readLog(jetstream(nats), jsm, single)) expect(batch).toHaveLength(1);
  });

  onOne('lets one of two processes write; the other follows', async () => {
    const [one, first] = await started('one');
    const [two, second] = await started('two');
    await appendMany(20);
    await Promise.all([one.waitFor(20, PATIENCE_MS), two.waitFor(20, PATIENCE_MS)]);
    expect(await seen()).toEqual(upTo(20));
    expect([first.batches.length > 0, second.batches.length > 0].filter(Boolean)).toHaveLength(1);
  });

  onOne.each([
    ['stops', async (leader: Projector) => leader.stop()],
    ['loses its Postgres session', async () => void (await endSessions(LEADER))],
    ['loses all its Postgres sessions', async () => void (await endSessions(`application_name = 'one'`))],
  ])('takes over, without a gap or a repetition, when the one that writes %s', async (_, disturb) => {
    const [one] = await started('one');
    await append();
    await one.waitFor(1, PATIENCE_MS);
    const [two] = await started('two');
    const appending = appendMany(100);
    await disturb(one);
    await appending;
    await two.waitFor(101, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(101));
    expect(await position()).toBe(101);
  });

  onOne('hears of positions again after the session that listens was lost', async () => {
    const [one] = await started('one');
    const [two] = await started('two');
    await append();
    await Promise.all([one.waitFor(1, PATIENCE_MS), two.waitFor(1, PATIENCE_MS)]);
    await endSessions(`query LIKE 'LISTEN%'`);
    await until(async () => {
      const [{ count }] = await data.query<[{ count: string }]>(
        `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
      );
      return Number(count) === 2;
    });
    const event = await append();
    await Promise.all([one.waitFor(event.position, PATIENCE_MS), two.waitFor(event.position, PATIENCE_MS)]);
  });

  it('goes on without a gap or a repetition when the NATS server is started anew in the middle', async () => {
    await appendMany(300);
    const [projector, projection] = await process();
    let killed = false;
    projection.disturb = async ({ messages }) => {
      if (killed || messages.at(-1)!.position < 50) return;
      killed = true;
      await parts.nats.kill();
      await parts.nats.start();
    };
    await projector.start();
    await projector.waitFor(300, PATIENCE_MS);
    await appendSurely();
    await projector.waitFor(301, PATIENCE_MS);
    expect(killed).toBe(true);
    expect(await seen()).toEqual(upTo(301));
  });

  onOne('is in no trouble any more once NATS is back, though there is nothing new to read', async () => {
    await append();
    const [projector] = await started();
    await projector.waitFor(1, PATIENCE_MS);
    await parts.nats.kill();
    await parts.nats.start();
    await until(() => words.join().includes('projecting stopped'), { withinMs: PATIENCE_MS });
    await until(() => projector.trouble === undefined, { withinMs: PATIENCE_MS });
  });

  async function appendSurely(): Promise<void> {
    await until(() => append(), { withinMs: 20_000 });
  }

  onOne('goes on when Postgres is started anew in the middle', async () => {
    const [projector] = await started();
    const appending = appendMany(200);
    await parts.postgres.kill('SIGKILL');
    await appending;
    await parts.postgres.start();
    await projector.waitFor(200, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(200));
  });

  onOne(
    'shows nothing older than before, in any copy, once a crash of Postgres has taken the last moment',
    async () => {
      const copies = [await started('one'), await started('two')].map(([projector]) => projector);
      await appendMany(30);
      await Promise.all(copies.map((projector) => projector.waitFor(30, PATIENCE_MS)));
      // As a crash does: every session ends, and the tables are as they were, for whoever gets to see them.
      await data.transaction(async (rows) => {
        await rows.query(`LOCK TABLE ${schema}.seen, ${schema}.projection_position`);
        await rows.query(`DELETE FROM ${schema}.seen`);
        await rows.query(`UPDATE ${schema}.projection_position SET position = 0, hash = ''`);
        await endSessions('pid <> pg_backend_pid()', rows);
        for (const projector of copies) await until(async () => !(await projector.reaches(30, { deadlineMs: 0 })));
      });
      await Promise.all(
        copies.map(async (projector) => {
          await until(() => projector.steady().then(() => true), PATIENT);
          expect(await seen()).toEqual(upTo(30));
        }),
      );
    },
  );

  onOne('stops, for all to see, at an event that it does not know, with everything before it written', async () => {
    await appendMany(3);
    const unknown = encode(envelope({ source: 's', type: 'buckets.moon.landed.v1', subject: 'moon/m' }, {}));
    await nats.request('buckets.event.moon.m.landed', unknown);
    await append();
    const [projector] = await started();
    const failure = await until(() => projector.failure, { withinMs: PATIENCE_MS });
    expect(failure).toBeInstanceOf(UnreadableMessage);
    expect(failure.message).toContain('buckets.moon.landed.v1 is not known here');
    expect([await seen(), await position()]).toEqual([upTo(3), 3]);
    await expect(projector.waitFor(4, 50)).rejects.toThrow(ProjectionBehind);
    expect(words.join()).toContain('the projection has stopped');
  });

  describe('that finds another log than its tables were made from', () => {
    const replaceLog = async (count: number) => {
      await jsm.streams.delete(STREAM.log);
      await provisionStreams(jsm, { ...DEFAULT_LIMITS, replicas: parts.nats.replicas });
      await appendMany(count);
    };
    const sameIdentity = async () => {
      const { config } = await jsm.streams.info(STREAM.log);
      await data.query(`UPDATE ${schema}.projection_position SET identity = $1`, [
        config.metadata!['buckets-identity'],
      ]);
    };
    beforeEach(async () => {
      await appendMany(3);
      const [projector] = await started();
      await projector.waitFor(3, PATIENCE_MS);
      await projector.stop();
    });

    onOne.each([
      ['it is another log', async () => replaceLog(5)],
      [
        'the log ends at 2',
        async () => {
          await replaceLog(2);
          await sameIdentity();
        },
      ],
      [
        'the message at position 3 is another one',
        async () => {
          await replaceLog(5);
          await sameIdentity();
        },
      ],
      [
        'there is no stream BUCKETS',
        async () => {
          await jsm.streams.delete(STREAM.log);
        },
      ],
    ])('writes nothing, and says what to do: %s', async (reason, change) => {
      await change();
      const [projector] = await started();
      expect(projector.failure).toBeInstanceOf(LogMismatch);
      expect(projector.failure?.message).toContain(reason);
      expect(projector.failure?.message).toContain('npm run restore-log');
      expect(projector.position).toBe(3);
      expect(await seen()).toEqual(upTo(3));
    });

    it('stops when that happens while it runs, and so does one that follows', async () => {
      const [leader] = await started('one');
      const [follower] = await started('two');
      await replaceLog(5);
      await until(() => leader.failure ?? follower.failure, { withinMs: PATIENCE_MS });
      expect(leader.failure ?? follower.failure).toBeInstanceOf(LogMismatch);
      expect(await seen()).toEqual(upTo(3));
    });

    it('goes on by itself once the log is the right one again, whoever may write', async () => {
      const journal = await MemoryJournal.of(nats, jsm);
      const known = await new PositionRow(new SeenProjection(schema)).read(data);
      await jsm.streams.delete(STREAM.log);
      const [one] = await started('one');
      const [two] = await started('two');
      const limits = { ...DEFAULT_LIMITS, replicas: parts.nats.replicas };
      await restoreLog({ nats, jsm, journal, known, limits });
      const event = await append();
      await Promise.all([one.waitFor(event.position, PATIENCE_MS), two.waitFor(event.position, PATIENCE_MS)]);
      await until(() => one.failure === undefined && two.failure === undefined, { withinMs: PATIENCE_MS });
      expect(await seen()).toEqual(upTo(4));
    });
  });

  onOne('passes over what it has read already when the server has forgotten how far that was', async () => {
    const [projector] = await started();
    await appendMany(5);
    await projector.waitFor(5, PATIENCE_MS);
    for await (const { name } of jsm.consumers.list(STREAM.log)) await jsm.consumers.reset(STREAM.log, name, 1);
    const event = await append();
    await projector.waitFor(event.position, PATIENCE_MS);
    expect(await seen()).toEqual(upTo(6));
    expect(words.filter((said) => !said.startsWith('projecting '))).toEqual([]);
  });

  onOne('does not pass over messages that the log lacks', async () => {
    const { config } = await jsm.streams.info(STREAM.log);
    await jsm.streams.delete(STREAM.log);
    await jsm.streams.add({ ...config, first_seq: 5 });
    await append();
    const [projector] = await started();
    const failure = await until(() => projector.failure, { withinMs: PATIENCE_MS });
    expect(failure).toBeInstanceOf(LogGap);
    expect(failure.message).toContain('no message at position 1; the next one is at 5');
  });

  onOne('says how far it is behind when one does not want to wait any longer', async () => {
    const [projector] = await started();
    await expect(projector.waitFor(7, 20)).rejects.toThrow('are at position 0, not yet at 7');
    const gone = new AbortController();
    const waiting = projector.reaches(1, { deadlineMs: 60_000, signal: gone.signal });
    gone.abort();
    expect(await waiting).toBe(false);
    expect(await projector.reaches(0, { deadlineMs: 60_000 })).toBe(true);
  });

  describe('being rebuilt', () => {
    const rebuild = async (options: Partial<Parameters<typeof rebuildProjection>[0]> = {}) => {
      const patient = await parts.database('seen', { name: 'rebuild', patient: true });
      const projection = new SeenProjection(schema);
      return rebuildProjection({ js: jetstream(nats), jsm, data: patient, projection, ...options });
    };

    onOne('gives way, keeps showing the old rows until the new ones are there, and goes on', async () => {
      await appendMany(700);
      const [one] = await started('one');
      const [two] = await started('two');
      await Promise.all([one.waitFor(700, PATIENCE_MS), two.waitFor(700, PATIENCE_MS)]);
      await data.query(`UPDATE ${schema}.seen SET type = 'old'`);
      const shown: unknown[] = [];
      const projection = new SeenProjection(schema);
      projection.disturb = async () => {
        shown.push(...(await data.query<object[]>(`SELECT type, count(*)::int FROM ${schema}.seen GROUP BY 1`)));
      };
      const { messages, events, position: end } = await rebuild({ projection });
      expect({ messages, events, end }).toEqual({ messages: 700, events: 700, end: 700 });
      for (const row of shown) expect(row).toEqual({ type: 'old', count: 700 });
      expect(await data.query(`SELECT type, count(*)::int FROM ${schema}.seen GROUP BY 1`)).toEqual([
        { type: 'revoked', count: 700 },
      ]);
      const event = await append();
      await Promise.all([one.waitFor(event.position, PATIENCE_MS), two.waitFor(event.position, PATIENCE_MS)]);
      expect(await seen()).toEqual(upTo(701));
    });

    onOne('leaves everything as it was when it fails', async () => {
      await appendMany(3);
      const [projector] = await started();
      await projector.waitFor(3, PATIENCE_MS);
      const projection = new SeenProjection(schema);
      projection.disturb = () => Promise.reject(new Error('no more'));
      await expect(rebuild({ projection })).rejects.toThrow('no more');
      expect([await seen(), await position()]).toEqual([upTo(3), 3]);
    });

    onOne('names the one that does not give way', async () => {
      const stubborn = (await parts.database('seen', { name: 'stubborn' })).createQueryRunner();
      await stubborn.query(`SELECT pg_advisory_lock(hashtextextended('projector ${schema}.seen', 0))`);
      const failing = rebuild({ leadWithinMs: 500 });
      await expect(failing).rejects.toThrow(ProjectionLed);
      await expect(failing).rejects.toThrow(/process \d+ \(stubborn, from /);
      await stubborn.release();
    });

    onOne('takes another log when it has to, and puts aside what was of the one before', async () => {
      await appendMany(3);
      const [projector] = await started();
      await projector.waitFor(3, PATIENCE_MS);
      await projector.stop();
      await jsm.streams.delete(STREAM.log);
      await provisionStreams(jsm, { ...DEFAULT_LIMITS, replicas: parts.nats.replicas });
      await append();

      const earlier: string[] = [];
      const projection = Object.assign(new SeenProjection(schema), {
        putAside: async (_: EntityManager, identity: string) => void earlier.push(identity),
      });
      await rebuild({ projection });
      expect(earlier).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
      expect(await seen()).toEqual([1]);
      const [again] = await started();
      const event = await append();
      await again.waitFor(event.position, PATIENCE_MS);
      await rebuild({ projection });
      expect(earlier).toHaveLength(1);
    });

    onOne('takes an older copy of its log when it has to, and puts aside what was of the newer state', async () => {
      await appendMany(5);
      const [projector] = await started();
      await projector.waitFor(5, PATIENCE_MS);
      const journal = await MemoryJournal.of(nats, jsm);
      const { identity } = await new PositionRow(new SeenProjection(schema)).read(data);
      await jsm.streams.delete(STREAM.log);
      await restoreLog({ nats, jsm, journal, known: journal.knownAt(3, identity) });

      const earlier: string[] = [];
      const projection = Object.assign(new SeenProjection(schema), {
        putAside: async (_: EntityManager, name: string) => void earlier.push(name),
      });
      await rebuild({ projection });
      expect(earlier).toEqual([`${identity}_5`]);
      expect(await seen()).toEqual(upTo(3));
      // It has shown more: what is all there is, it shows.
      await until(() => projector.steady(100).then(() => true), PATIENT);
    });
  });
});
