import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  readEvent,
  readIntent,
  STREAM,
  UnreadableMessage,
  UnstorableText,
  type LoggedEvent,
  type NewEvent,
  type NewIntent,
} from '@buckets/contracts';
import { until } from '@buckets/patience';
import { Log, type Decision } from './append.js';
import { LogRefused, LogUnreachable, PositionMoved } from './errors.js';
import { CuttingProxy } from './testing/cutting-proxy.js';
import { MemoryJournal } from './testing/memory-journal.js';
import { onOneServer, RealParts, SERVERS } from './testing/real-parts.js';

jest.setTimeout(90_000);

const PATIENT = { withinMs: 40_000 };

const renamed = (name = 'renamed'): NewEvent<'host'> => ({
  thing: 'host',
  type: 'updated',
  data: { requestedBy: 'admin', name },
});
const stop = (operationId: string): NewIntent => ({
  kind: 'stop',
  hostId: 'h1',
  projectId: 'p1',
  data: { operationId, generation: 1, requestedAt: new Date().toISOString() },
});
const single = (id: string, expected = 0): Decision => ({ thing: 'host', id, expected, events: [renamed()] });
const batch = (id: string, expected = 0): Decision => ({
  thing: 'host',
  id,
  expected,
  events: [renamed('first'), renamed('second')],
  intents: [stop(`op-${id}`)],
});

describe.each(SERVERS)('appending to the log on %s', (_on, servers) => {
  const onOne = onOneServer(servers);
  let parts: RealParts;
  let nats: NatsConnection;
  let jsm: JetStreamManager;
  let log: Log;

  beforeAll(async () => {
    parts = await RealParts.start(['nats'], servers);
    ({ nats, jsm } = await parts.freshLog());
    log = new Log(nats, jsm, 'buckets/test');
  });
  afterAll(async () => {
    await parts.stop();
  });

  const end = () => parts.lastPosition(jsm);
  const messageAt = async (seq: number) => (await jsm.streams.getMessage(STREAM.log, { seq }))!;

  it('keeps the facts and intents of a decision together, in order, and tells their positions', async () => {
    const before = await end();
    const logged = await log.append({ ...batch('together'), causationId: 'cause' });
    expect(logged.map(({ position }) => position)).toEqual([before + 1, before + 2]);
    expect(await end()).toBe(before + 3);
    for (const event of logged) {
      const { subject, data, header } = await messageAt(event.position);
      expect(readEvent(subject, data, event.position)).toEqual(event);
      expect(header.get('Nats-Msg-Id')).toBe(event.messageId);
      expect(JSON.parse(Buffer.from(data).toString())).toMatchObject({ source: 'buckets/test', causationid: 'cause' });
    }
    const { subject, data } = await messageAt(before + 3);
    expect(readIntent(subject, data)).toMatchObject({ kind: 'stop', data: { operationId: 'op-together' } });
    expect(JSON.parse(Buffer.from(data).toString())).toMatchObject({
      operationid: 'op-together',
      causationid: 'cause',
    });
  });

  it.each([
    ['one fact', single],
    ['a batch', batch],
  ])('lets one of twenty that race with %s win, and tells the others to decide again', async (name, decision) => {
    const id = `race-${name.replaceAll(' ', '-')}`;
    const others = await Promise.all(Array.from({ length: 3 }, () => parts.connect()));
    const logs = await Promise.all(
      others.map(async (connection) => new Log(connection, await managerOf(connection), 'buckets/test')),
    );
    const before = await end();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => [log, ...logs][i % 4]!.append(decision(id))),
    );
    const won = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(PositionMoved);
    const [{ value }] = won as [PromiseFulfilledResult<Awaited<ReturnType<Log['append']>>>];
    expect(value[0]!.position).toBe(before + 1);
    expect(await end()).toBe(before + (decision === batch ? 3 : 1));
    expect((await messageAt(before + 1)).header.get('Nats-Msg-Id')).toBe(value[0]!.messageId);

    // The next one decides on what the winner has left.
    await log.append(decision(id, value.at(-1)!.position));
  });

  describe('of decisions that are made at once', () => {
    const ids = (name: string, count = 12) => Array.from({ length: count }, (_, n) => `${name}-${n}`);
    /** The ids of the batches in which a stretch of the log was published. */
    const batchesFrom = async (first: number, count: number) => {
      const messages = await Promise.all(Array.from({ length: count }, (_, n) => messageAt(first + n)));
      return new Set(messages.map(({ header }) => header.get('Nats-Batch-Id')));
    };

    it('stores each whole and in order, several in one batch, and tells each its positions', async () => {
      const before = await end();
      const logged = await Promise.all(ids('crowd').map((id) => log.append(batch(id))));
      expect(await end()).toBe(before + 12 * 3);
      for (const [index, events] of logged.entries()) {
        const [first, second] = events.map(({ position }) => position);
        expect(second).toBe(first! + 1);
        expect((await messageAt(first!)).subject).toBe(`buckets.event.host.crowd-${index}.updated`);
        expect((await messageAt(second! + 1)).subject).toBe('buckets.intent.h1.p1.stop');
      }
      expect((await batchesFrom(before + 1, 36)).size).toBe(2);
    });

    it('stores the others when the things of some have moved on', async () => {
      await log.append(single('ahead-3'));
      await log.append(single('ahead-7'));
      const before = await end();
      const outcomes = await Promise.allSettled(ids('ahead').map((id) => log.append(batch(id))));
      expect(outcomes.flatMap(({ status }, index) => (status === 'rejected' ? index : []))).toEqual([3, 7]);
      for (const index of [3, 7]) {
        expect(outcomes[index]).toMatchObject({ reason: expect.any(PositionMoved) as unknown });
      }
      expect(await end()).toBe(before + 10 * 3);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') continue;
        const [first] = outcome.value;
        const { header } = await messageAt(first!.position);
        expect(header.get('Nats-Msg-Id')).toBe(first!.messageId);
      }
    });
  });

  describe('over a line that breaks', () => {
    let proxy: CuttingProxy;
    let far: Log;

    beforeAll(async () => {
      proxy = await CuttingProxy.before({ host: '127.0.0.1', port: parts.nats.port });
      const connection = await parts.connect({ url: `nats://127.0.0.1:${proxy.port}` });
      far = new Log(connection, await managerOf(connection), 'buckets/test');
    });
    afterAll(async () => {
      await proxy.close();
    });

    it.each([
      ['one fact', single, 1],
      ['a batch', batch, 3],
    ])('stores %s once when its acknowledgement is lost, and knows where', async (name, decision, entries) => {
      const id = `cut-${name.replaceAll(' ', '-')}`;
      const before = await end();
      const cut = proxy.loseNextAnswer((sent) => sent.includes(`host.${id}.updated`));
      const logged = await far.append(decision(id));
      await cut;
      expect(logged[0]!.position).toBe(before + 1);
      expect(await end()).toBe(before + entries);
    });

    it('stores each of many decisions once when the acknowledgement of those that went together is lost', async () => {
      const before = await end();
      const things = Array.from({ length: 8 }, (_, n) => `cut-crowd-${n}`);
      const cut = proxy.loseNextAnswer((sent) => sent.includes('host.cut-crowd-5.updated'));
      const logged = await Promise.all(things.map((id) => far.append(batch(id))));
      await cut;
      expect(await end()).toBe(before + 8 * 3);
      for (const [first] of logged) {
        expect((await messageAt(first!.position)).header.get('Nats-Msg-Id')).toBe(first!.messageId);
      }
    });

    it.each([
      ['one fact', single, 1],
      ['a batch', batch, 3],
    ])('recognises %s of its own under what others have appended since', async (name, decision, entries) => {
      const id = `under-${name.replaceAll(' ', '-')}`;
      const before = await end();
      const cut = proxy.loseNextAnswer(
        (sent) => sent.includes(`host.${id}.updated`),
        async () => {
          for (;;) {
            const seq = await end();
            if (seq > before) {
              // As if another copy had seen it and decided the next thing.
              const expected = before + (decision === batch ? 2 : 1);
              await log.append({ thing: 'host', id, expected, events: [renamed('later')] });
              return;
            }
          }
        },
      );
      const logged = await far.append(decision(id));
      await cut;
      expect(logged[0]!.position).toBe(before + 1);
      expect(await end()).toBe(before + entries + 1);
    });

    it('tells that another one was first when the line broke before its own arrived', async () => {
      const id = 'beaten';
      await log.append(single(id));
      const cut = proxy.loseNextAnswer((sent) => sent.includes(`host.${id}.updated`));
      await expect(far.append(single(id))).rejects.toThrow(PositionMoved);
      await cut;
    });
  });

  onOne('takes nothing that a reader could not take', async () => {
    const before = await end();
    const wrong = { ...single('wrong'), events: [{ ...renamed(), data: { requestedBy: '' } } as NewEvent] };
    await expect(log.append(wrong)).rejects.toThrow(UnreadableMessage);
    const unknown = { ...single('wrong'), events: [{ ...renamed(), type: 'sunk' as 'updated' } as NewEvent] };
    await expect(log.append(unknown)).rejects.toThrow(UnreadableMessage);
    const badIntent = { ...single('wrong'), intents: [stop('../..')] };
    await expect(log.append(badIntent)).rejects.toThrow(UnreadableMessage);
    await expect(log.append({ ...single('wrong'), events: [renamed('a\0b')] })).rejects.toThrow(UnstorableText);
    await expect(log.append({ ...single('wrong'), events: [] })).rejects.toThrow(RangeError);
    await expect(log.append(single('a.>'))).rejects.toThrow(TypeError);
    expect(await end()).toBe(before);
  });

  onOne('says within seconds that the log cannot be reached, and goes on when it can', async () => {
    await parts.nats.killAll();
    await expect(log.append(single('down'))).rejects.toThrow(LogUnreachable);
    await parts.nats.start();
    // What was sent while nobody heard it may still arrive; the same decision under a new id then has to be made anew.
    const { position } = await appended('down-2');
    expect((await messageAt(position)).subject).toBe('buckets.event.host.down-2.updated');
  });

  async function appended(id: string): Promise<{ position: number }> {
    for (;;) {
      try {
        const [event] = await log.append(single(id));
        return event!;
      } catch (error) {
        if (!(error instanceof LogUnreachable)) throw error;
      }
    }
  }

  it('loses no fact that it has acknowledged and stores none twice while the server that leads it is killed', async () => {
    await parts.freshLog();
    const writers = await Promise.all([1, 2, 3].map(async (n) => Writer.connect(parts, [`own-${n}`, 'shared'])));
    const all = Promise.all(writers.map((writer) => writer.run()));
    const have = (count: number) => until(() => writers.every(({ stored }) => stored.length >= count), PATIENT);
    await have(10);
    await parts.nats.kill();
    await parts.nats.start();
    const before = Math.max(...writers.map(({ stored }) => stored.length));
    await have(before + 10);
    for (const writer of writers) writer.stop();
    await all;

    const again = await parts.connect();
    const { messages: log } = await MemoryJournal.of(again, await managerOf(again));
    expect(log.map(({ position }) => position)).toEqual(log.map((_, index) => index + 1));
    const ids = log.map(({ headers }) => headers['Nats-Msg-Id']);
    expect(new Set(ids).size).toBe(log.length);
    for (const { position, messageId, thing, id, expected } of writers.flatMap(({ stored }) => stored)) {
      expect([position, ids[position - 1]]).toEqual([position, messageId]);
      const between = log.slice(expected, position - 1).filter(({ subject }) => subject.includes(`.${thing}.${id}.`));
      expect(between).toEqual([]);
    }
  });

  it.each([
    ['one fact', 1],
    ['a batch', 3],
  ])('refuses %s when the log is full, and eats nothing of what is in it', async (_, entries) => {
    const fresh = await parts.freshLog({ logBytes: 64 * 1024 });
    const small = new Log(fresh.nats, fresh.jsm, 'buckets/test');
    const large = renamed('y'.repeat(200));
    const decision = (): Decision => ({
      thing: 'host',
      id: randomUUID(),
      expected: 0,
      events: Array.from({ length: entries }, () => large),
    });
    let taken = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        await small.append(decision());
        taken++;
      }
    };
    await expect(fill()).rejects.toThrow(LogRefused);
    await expect(small.append(decision())).rejects.toThrow(LogRefused);
    const { state } = await fresh.jsm.streams.info(STREAM.log);
    expect(taken).toBeGreaterThan(5);
    expect(state).toMatchObject({ first_seq: 1, last_seq: taken * entries, messages: taken * entries });
  });

  it('lets nothing be removed, not even by an administrator', async () => {
    const { jsm: fresh, nats: connection } = await parts.freshLog();
    await new Log(connection, fresh, 'buckets/test').append(single('kept'));
    await expect(fresh.streams.purge(STREAM.log)).rejects.toThrow('purge');
    await expect(fresh.streams.deleteMessage(STREAM.log, 1)).rejects.toThrow('delete');
  });
});

/** Decides on one thing after another as fast as it can, and looks what has become of it when it does not know. */
class Writer {
  readonly stored: (LoggedEvent & { expected: number })[] = [];
  private stopped = false;

  private constructor(
    private readonly log: Log,
    private readonly jsm: JetStreamManager,
    private readonly things: string[],
  ) {}

  static async connect(parts: RealParts, things: string[]): Promise<Writer> {
    const nats = await parts.connect();
    const jsm = await jetstreamManager(nats, { timeout: 2_000 });
    return new Writer(new Log(nats, jsm, 'buckets/test'), jsm, things);
  }

  stop(): void {
    this.stopped = true;
  }

  async run(): Promise<void> {
    for (let n = 0; !this.stopped; n++) {
      const id = this.things[n % this.things.length]!;
      const expected = await until(() => this.lastOf(id).then((position) => ({ position })), PATIENT);
      try {
        const logged = await this.log.append(single(id, expected.position));
        this.stored.push(...logged.map((event) => ({ ...event, expected: expected.position })));
      } catch (error) {
        if (!(error instanceof PositionMoved || error instanceof LogUnreachable)) throw error;
      }
    }
  }

  private async lastOf(id: string): Promise<number> {
    const last = await this.jsm.streams.getMessage(STREAM.log, { last_by_subj: `buckets.event.host.${id}.>` });
    return last?.seq ?? 0;
  }
}
