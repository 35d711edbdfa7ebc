import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AckPolicy, jetstream, type JetStreamManager, type JsMsg } from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { STREAM, subjects, UnreadableMessage } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { keepDeadLetter } from './dead-letters.js';
import { MAX_FAILURES, PullServer, type Delivery, type PullSource } from './pull-server.js';
import { onOneServer, RealParts, SERVERS } from './testing/real-parts.js';

jest.setTimeout(60_000);

/** As long as the product's is, the tests would take minutes. */
const ACK_WAIT_MS = 1_000;
const CONSUMER = 'test';

interface Word {
  subject: string;
  text: string;
}
type Handler = (word: Word, delivery: Delivery) => Promise<unknown>;

describe.each(SERVERS)('a pull server on %s', (_on, nodes) => {
  const onOne = onOneServer(nodes);
  let parts: RealParts;
  let nats: NatsConnection;
  let jsm: JetStreamManager;
  let servers: PullServer<Word>[];
  let errors: string[];

  beforeAll(async () => {
    parts = await RealParts.start(['nats'], nodes);
  });
  afterAll(async () => {
    await parts.stop();
  });
  beforeEach(async () => {
    ({ nats, jsm } = await parts.freshLog());
    await makeConsumer();
    servers = [];
    errors = [];
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await parts.disconnect();
  });

  const makeConsumer = () =>
    jsm.consumers.add(STREAM.log, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_deliver: -1,
    });
  const say = async (...texts: string[]) => {
    for (const text of texts) await jetstream(nats).publish(subjects.intent('h', 'p', 'stop'), text);
  };
  const waiting = async () => {
    const { num_pending, num_ack_pending } = await jsm.consumers.info(STREAM.log, CONSUMER);
    return num_pending + num_ack_pending;
  };
  const acknowledged = () => until(async () => (await waiting()) === 0, { withinMs: 20_000 });

  async function serve(
    handle: Handler,
    options: Partial<PullSource<Word>> = {},
    { heartbeatMs = ACK_WAIT_MS / 3 } = {},
  ): Promise<PullServer<Word>> {
    const source: PullSource<Word> = {
      stream: STREAM.log,
      consumer: CONSUMER,
      read: (subject, bytes) => {
        const text = Buffer.from(bytes).toString();
        if (text === 'mumble') throw new UnreadableMessage('nobody understands it', subject);
        return { subject, text };
      },
      pattern: () => 'word',
      unreadable: () => Promise.reject(new Error('there was nothing unreadable')),
      atOnce: 10,
      ...options,
    };
    const log = {
      info: () => undefined,
      warn: (fields: object, message: string) => void errors.push(`${message} ${JSON.stringify(fields)}`),
      error: ({ error }: { error?: unknown }, message: string) => void errors.push(`${message} ${String(error)}`),
    };
    const server = new PullServer<Word>(jetstream(await parts.connect()), [source], log, heartbeatMs);
    server.addHandler('word', handle as Parameters<typeof server.addHandler>[1], true);
    servers.push(server);
    server.listen(() => undefined);
    return server;
  }

  it('acknowledges a message when its handler has finished, and not before', async () => {
    const done = Promise.withResolvers<void>();
    const heard: string[] = [];
    await serve(async ({ subject, text }, delivery) => {
      heard.push(`${text} at ${delivery.position} on ${delivery.subject}`);
      expect([subject, delivery.redelivered]).toEqual(['buckets.intent.h.p.stop', false]);
      await done.promise;
    });
    await say('hello');
    await until(() => heard.length > 0);
    expect(await waiting()).toBe(1);
    done.resolve();
    await acknowledged();
    expect(heard).toEqual(['hello at 1 on buckets.intent.h.p.stop']);
  });

  onOne('tells no error of work that was cut off by a stop: it comes again', async () => {
    let times = 0;
    await serve(async () => {
      if (++times === 1) throw new DOMException('The operation was aborted', 'AbortError');
    });
    await say('cut off');
    await acknowledged();
    expect(times).toBe(2);
    expect(errors).toEqual([]);
  });

  onOne('keeps a message alive that is worked on for much longer than the server waits', async () => {
    let times = 0;
    const done = Promise.withResolvers<void>();
    await serve(async () => {
      times++;
      await done.promise;
    });
    await say('long');
    const deliveries = async () => (await jsm.consumers.info(STREAM.log, CONSUMER)).num_redelivered;
    const until3 = performance.now() + 3 * ACK_WAIT_MS;
    await until(() => performance.now() > until3);
    expect([times, await deliveries()]).toEqual([1, 0]);
    done.resolve();
    await acknowledged();
    expect(times).toBe(1);
  });

  onOne('works once on a message that is delivered again meanwhile, and answers the newest delivery', async () => {
    let times = 0;
    const done = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      times++;
      await done.promise;
    };
    await serve(work, {}, { heartbeatMs: 60_000 });
    await say('silent');
    await until(async () => (await jsm.consumers.info(STREAM.log, CONSUMER)).num_redelivered > 0);
    done.resolve();
    await acknowledged();
    expect(times).toBe(1);
  });

  onOne('has a failed message come again, after a while, until it succeeds', async () => {
    const tries: number[] = [];
    await serve(async (_, delivery) => {
      tries.push(performance.now());
      expect(delivery.redelivered).toBe(tries.length > 1);
      if (tries.length < 3) throw new Error('not yet');
    });
    await say('stubborn');
    await until(() => tries.length === 3, { withinMs: 20_000 });
    await acknowledged();
    // 200 ms, then 1 s.
    expect(tries[2]! - tries[1]!).toBeGreaterThan(tries[1]! - tries[0]!);
    expect(errors.join()).toContain('it will come again Error: not yet');
  });

  onOne('lets others pass while a failed one waits', async () => {
    const heard: string[] = [];
    await serve(async ({ text }) => {
      heard.push(text);
      if (text === 'bad' && heard.length < 4) throw new Error('bad');
    });
    await say('bad', 'good', 'better');
    await acknowledged();
    expect(heard.indexOf('better')).toBeLessThan(heard.lastIndexOf('bad'));
  });

  onOne('works on no more than so many at once, and pulls no more than that', async () => {
    let working = 0;
    let most = 0;
    let pulled = 0;
    const done = Promise.withResolvers<void>();
    await serve(
      async () => {
        most = Math.max(most, ++working);
        await done.promise;
        working--;
      },
      { atOnce: 3 },
    );
    await say(...Array.from({ length: 20 }, (_, i) => `${i}`));
    await until(() => working === 3);
    pulled = (await jsm.consumers.info(STREAM.log, CONSUMER)).num_ack_pending;
    done.resolve();
    await acknowledged();
    expect([most, pulled]).toEqual([3, 3]);
  });

  onOne('keeps what cannot be read before it lets go of it', async () => {
    let refusals = 0;
    const unreadable = async (message: JsMsg, { reason }: UnreadableMessage): Promise<void> => {
      if (++refusals < 3) throw new Error('no room');
      expect(await waiting()).toBe(1);
      const letter = { stream: STREAM.log, position: message.seq, subject: message.subject, reason };
      await keepDeadLetter(jetstream(nats), { source: 'intents', hostId: 'h' }, { ...letter, bytes: message.data });
    };
    await serve(() => Promise.reject(new Error('there was nothing to handle')), { unreadable });
    await say('mumble');
    await acknowledged();
    const letter = await jsm.streams.getMessage(STREAM.deadLetters, { seq: 1 });
    expect(letter!.subject).toBe('buckets.dead-letter.intents.h');
    expect(letter!.string()).toBe('mumble');
    const header = (name: string) => letter!.header.get(`Buckets-${name}`);
    expect([header('Stream'), header('Position'), header('Subject'), header('Reason')]).toEqual([
      STREAM.log,
      '1',
      'buckets.intent.h.p.stop',
      'nobody understands it',
    ]);
    expect(refusals).toBe(3);
  });

  onOne('puts a message aside that fails over and over by its own fault, and no other', async () => {
    const aside: string[] = [];
    const tries = new Map<string, number>();
    const server = await serve(
      async ({ text }) => {
        const count = (tries.get(text) ?? 0) + 1;
        tries.set(text, count);
        if (text === 'poison') throw new RangeError('too deep');
        if (text === 'late' && count <= 2) throw new Error('Postgres is away');
      },
      {
        mayPass: (error) => !(error instanceof RangeError),
        unreadable: async (message, { reason }) => void aside.push(`${message.string()}: ${reason}`),
        isShort: true,
      },
    );
    await say('poison', 'late', 'good');
    await until(async () => (await waiting()) === 0, { withinMs: 60_000 });
    expect(Object.fromEntries(tries)).toEqual({ poison: MAX_FAILURES, late: 3, good: 1 });
    expect(aside).toEqual([`poison: it failed ${MAX_FAILURES} times (RangeError), the log says how`]);
    server.check();
  });

  onOne('takes whatever the reading of a message throws for unreadable', async () => {
    const aside: string[] = [];
    await serve(async () => undefined, {
      read: () => {
        throw new RangeError('Maximum call stack size exceeded');
      },
      unreadable: async (_, { reason }) => void aside.push(reason),
    });
    await say('deep');
    await acknowledged();
    expect(aside).toEqual(['it cannot be read here (RangeError)']);
  });

  onOne('keeps one of the same dead letter, whatever its subject and reason hold', async () => {
    const letter = {
      stream: 's',
      position: 1,
      subject: 'a\r\nb',
      reason: 'x\n\u0000é'.repeat(5000),
      bytes: Buffer.of(1),
    };
    await keepDeadLetter(jetstream(nats), { source: 'claims' }, letter);
    await keepDeadLetter(jetstream(nats), { source: 'claims' }, letter);
    expect((await jsm.streams.info(STREAM.deadLetters)).state.messages).toBe(1);
    const kept = await jsm.streams.getMessage(STREAM.deadLetters, { seq: 1 });
    expect(kept!.header.get('Buckets-Subject')).toBe('a b');
  });

  onOne('waits, when it is closed, for what is in work, and takes nothing new', async () => {
    let finished = false;
    const heard: string[] = [];
    const done = Promise.withResolvers<void>();
    const server = await serve(async ({ text }) => {
      heard.push(text);
      await done.promise;
      finished = true;
    });
    await say('last');
    await until(() => heard.length === 1);
    const closing = server.close();
    await say('too late');
    done.resolve();
    await closing;
    expect(finished).toBe(true);
    await until(async () => (await jsm.consumers.info(STREAM.log, CONSUMER)).num_ack_pending === 0);
    expect(heard).toEqual(['last']);
    await serve(async ({ text }) => void heard.push(text));
    await acknowledged();
    expect(heard).toEqual(['last', 'too late']);
  });

  onOne('goes on after its consumer, or the server, was gone for a while', async () => {
    const heard: string[] = [];
    await serve(async ({ text }) => void heard.push(text));
    await say('one');
    await until(() => heard.includes('one'));
    await jsm.consumers.delete(STREAM.log, CONSUMER);
    await until(() => errors.length > 0, { withinMs: 40_000 });
    await makeConsumer();
    await say('two');
    await until(() => heard.includes('two'), { withinMs: 20_000 });
    await parts.nats.kill();
    await parts.nats.start();
    await until(() => say('three'), { withinMs: 20_000 }).catch(() => undefined);
    await until(() => heard.includes('three'), { withinMs: 20_000 });
  });

  it('has each message handled though the server is killed in the middle, and goes on', async () => {
    const handled = new Map<string, number>();
    await serve(async ({ text }) => void handled.set(text, (handled.get(text) ?? 0) + 1));
    const texts = Array.from({ length: 60 }, (_, n) => `message ${n}`);
    await say(...texts.slice(0, 20));
    await until(() => handled.size >= 5);
    await parts.nats.kill();
    const saying = (async () => {
      for (const text of texts.slice(20)) await until(() => say(text).then(() => true), { withinMs: 40_000 });
    })();
    await parts.nats.start();
    await saying;
    await until(() => handled.size === texts.length, { withinMs: 40_000 });
    await until(async () => (await waiting()) === 0, { withinMs: 40_000 });
    expect([...handled.keys()].toSorted()).toEqual(texts.toSorted());
  });

  onOne('says which handler is missing', async () => {
    await serve(async () => undefined, { pattern: () => 'other' });
    await say('hello');
    await until(() => errors.join().includes(`add one with @EventPattern('other')`));
  });
});
