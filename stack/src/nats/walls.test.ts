import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostConsumer, STREAM, subjects } from '@buckets/contracts';
import { provisionHostConsumers, provisionStreams } from '@buckets/log';
import { Secret } from '@buckets/settings';
import { HostCredentials } from '../../../apps/api/src/hosts/host-credentials.js';
import { tool } from '../clone.js';
import { choosePorts } from '../ports.js';
import { privateFolder } from '../private-files.js';
import { Supervised } from '../processes/supervised.js';
import { until } from '@buckets/patience';
import { controlCredentials, type ControlUser } from './control-users.js';
import { HOSTS_SIGNING_SEED, readKeys, type Keys } from './keys.js';
import { natsServer } from './server.js';

const silent = { line: () => undefined, note: () => undefined, changed: () => undefined };

describe('between the control plane and the hosts', () => {
  let folder: string;
  let keys: Keys;
  let server: Supervised;
  let port: number;
  let control: NatsConnection;
  let hostA: NatsConnection;
  let hostB: NatsConnection;
  const connections: NatsConnection[] = [];

  const connectWith = async (credentials: string, inboxPrefix?: string) => {
    const authenticator = credsAuthenticator(new TextEncoder().encode(credentials));
    const connection = await connect({ port, authenticator, ...(inboxPrefix === undefined ? {} : { inboxPrefix }) });
    connections.push(connection);
    return connection;
  };
  const connectHost = async (hostId: string) => {
    const seed = await readFile(join(folder, 'secrets', HOSTS_SIGNING_SEED), 'utf8');
    const credentials = new HostCredentials(new Secret(seed), keys.hosts.getPublicKey());
    return connectWith(await credentials.issue(hostId), `_INBOX.host-${hostId}`);
  };
  const connectControl = async (user: ControlUser) =>
    connectWith(await readFile((await controlCredentials(keys, join(folder, 'secrets')))[user], 'utf8'));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'buckets nats '));
    keys = await readKeys(await privateFolder(join(folder, 'secrets')));
    ({ port } = await choosePorts({ port: {} }));
    server = new Supervised(
      natsServer({ program: tool('nats-server'), folder: join(folder, 'nats'), listen: `127.0.0.1:${port}`, keys }),
      silent,
    );
    await server.start();
    [control, hostA, hostB] = await Promise.all([connectControl('api'), connectHost('a'), connectHost('b')]);
    const jsm = await managerOf(control);
    await provisionStreams(jsm);
    await provisionHostConsumers(jsm, 'a');
    await provisionHostConsumers(jsm, 'b');
  }, 60_000);

  afterAll(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const intend = (hostId: string, kind: 'backup' | 'cancel', body: string) =>
    jetstream(control).publish(subjects.intent(hostId, 'p', kind), body);
  const consumerOf = (host: NatsConnection, name: string) =>
    jetstream(host, { apiPrefix: 'CP.API' }).consumers.get(STREAM.log, name);
  const pendingAcks = async (name: string) =>
    (await (await managerOf(control)).consumers.info(STREAM.log, name)).num_ack_pending;

  it('a host takes its intents from both its consumers, works on them for a while, and acknowledges them', async () => {
    await intend('a', 'backup', 'work');
    await intend('a', 'cancel', 'stop that');
    const next = async (name: string) => (await (await consumerOf(hostA, name)).next({ expires: 5_000 })) as JsMsg;

    const work = await next(hostConsumer.work('a'));
    expect([work.subject, work.string()]).toEqual(['buckets.intent.a.p.backup', 'work']);
    work.working();
    expect(await work.ackAck()).toBe(true);

    const cancel = await next(hostConsumer.cancel('a'));
    expect(cancel.string()).toBe('stop that');
    cancel.ack();
    await until(async () => (await pendingAcks(hostConsumer.cancel('a'))) === 0);
  });

  it('a host that consumes without end gets what is sent later, and what it hands back again', async () => {
    const consumer = await consumerOf(hostA, hostConsumer.work('a'));
    const messages = await consumer.consume({ max_messages: 10 });
    const seen: [string, number][] = [];
    await intend('a', 'backup', 'first');
    for await (const message of messages) {
      seen.push([message.string(), message.info.deliveryCount]);
      if (seen.length === 1) message.nak();
      else message.ack();
      if (seen.length === 2) await intend('a', 'backup', 'second');
      if (seen.length === 3) break;
    }
    await messages.close();
    expect(seen).toEqual([
      ['first', 1],
      ['first', 2],
      ['second', 1],
    ]);
  });

  it("a host's claims and activity are kept, and it is told so", async () => {
    const js = jetstream(hostA);
    const claim = await js.publish(subjects.claim('a', 'p', 'operation-ended'), 'done', { msgID: 'one' });
    expect(claim).toMatchObject({ stream: STREAM.claims, duplicate: false });
    expect(await js.publish(subjects.activity('a', '_'), 'alive')).toMatchObject({ stream: STREAM.activity });
    expect(await js.publish(subjects.progress('a', 'op'), '50 %')).toMatchObject({ stream: STREAM.progress });
  });

  it('a host asks the control plane and is answered', async () => {
    const asks = control.subscribe(subjects.allAsks, {
      callback: (_, message) => void message.respond(`${message.subject}: granted`),
    });
    await control.flush();
    const answer = await hostA.request(subjects.ask('a', 'grant'), 'please');
    expect(answer.string()).toBe('buckets.ask.a.grant: granted');
    asks.unsubscribe();
  });

  it('a host answers a request of the control plane in several parts', async () => {
    const requests = hostA.subscribe(subjects.requestsTo('a'), {
      callback: (_, message) => {
        for (const part of ['one', 'two', 'three', '']) message.respond(part);
      },
    });
    await hostA.flush();
    const parts: string[] = [];
    for await (const part of await control.requestMany(subjects.request('a', 'files'), '', { maxWait: 5_000 })) {
      if (part.string() === '') break;
      parts.push(part.string());
    }
    expect(parts).toEqual(['one', 'two', 'three']);
    requests.unsubscribe();
  });

  describe('a host cannot', () => {
    const stateOfLog = async () => {
      const jsm = await managerOf(control);
      const [log, claims] = await Promise.all([jsm.streams.info(STREAM.log), jsm.streams.info(STREAM.claims)]);
      return [log.state.last_seq, log.state.messages, claims.state.last_seq, claims.state.messages];
    };

    it.each([
      ['claim for another', subjects.claim('b', 'p', 'operation-ended')],
      ['report activity of another', subjects.activity('b', 'p')],
      ['report progress of another', subjects.progress('b', 'op')],
      ['ask as another', subjects.ask('b', 'grant')],
      ['give another an intent', subjects.intent('b', 'p', 'backup')],
      ['give itself an intent', subjects.intent('a', 'p', 'backup')],
      ['state a fact', subjects.event('project', 'p', 'created')],
      ['send a command', subjects.command('create-project')],
      ['ask another host', subjects.request('b', 'files')],
      ['take the intents of another', 'CP.API.CONSUMER.MSG.NEXT.BUCKETS.host-b'],
      ['look at the consumer of another', 'CP.API.CONSUMER.INFO.BUCKETS.host-b'],
      ['acknowledge for another', '$JS.ACK.BUCKETS.host-b.1.1.1.1.0'],
      ['empty the log', '$JS.API.STREAM.PURGE.BUCKETS'],
      ['empty the log under the local name', 'CP.API.STREAM.PURGE.BUCKETS'],
      ['see the streams', '$JS.API.STREAM.NAMES'],
      ['make a consumer', 'CP.API.CONSUMER.CREATE.BUCKETS.mine'],
    ])('%s', async (_, subject) => {
      const before = await stateOfLog();
      await expect(hostA.request(subject, '{}', { timeout: 2_000 })).rejects.toThrow(/permissions violation/i);
      expect(await stateOfLog()).toEqual(before);
    });

    it.each([
      ['the requests to another', subjects.requestsTo('b')],
      ['the answers to another', '_INBOX.host-b.>'],
      ['the intents', subjects.allIntents],
      ['the facts', subjects.allEvents],
      ['everything', '>'],
    ])('listen to %s', async (_, subject) => {
      const heard = new Promise((_resolve, reject) => {
        hostA.subscribe(subject, { callback: (error) => void (error && reject(error)) });
      });
      await expect(heard).rejects.toThrow(/permissions violation/i);
    });

    it('have the control plane act for it, by naming an address in the control plane for the answer', async () => {
      const asks = control.subscribe(subjects.allAsks, { callback: (__, message) => void message.respond('{}') });
      await control.flush();
      const before = await stateOfLog();
      for (const reply of ['$JS.API.STREAM.PURGE.BUCKETS', subjects.intent('b', 'p', 'backup')]) {
        hostA.publish(subjects.ask('a', 'grant'), '{}', { reply });
        hostA.publish(subjects.claim('a', 'q', 'operation-ended'), '{}', { reply });
      }
      await hostA.flush();
      await control.flush();
      await until(async () => (await stateOfLog())[2] === before[2]! + 2);
      const [lastInLog, messagesInLog] = await stateOfLog();
      expect([lastInLog, messagesInLog]).toEqual(before.slice(0, 2));
      asks.unsubscribe();
    });
  });

  it('the intents of one host do not reach the other', async () => {
    await intend('b', 'backup', 'for b');
    const consumer = await consumerOf(hostB, hostConsumer.work('b'));
    expect((await consumer.next({ expires: 5_000 }))?.string()).toBe('for b');
    const other = await consumerOf(hostA, hostConsumer.work('a'));
    expect(await other.next({ expires: 1_000 })).toBeNull();
  });

  it('the scheduler reads the log but cannot write into it', async () => {
    const scheduler = await connectControl('scheduler');
    const jsm = await managerOf(scheduler);
    expect((await jsm.streams.info(STREAM.log)).config.name).toBe(STREAM.log);
    const fact = jetstream(scheduler).publish(subjects.event('project', 'p', 'created'), '{}');
    await expect(fact).rejects.toThrow(/permissions violation/i);
    await expect(jsm.streams.purge(STREAM.log)).rejects.toThrow(/permissions violation/i);
  });

  it('only the scheduler confirms freshness, and the API hears it', async () => {
    const confirmed = subjects.confirmation('a');
    const [scheduler, shareServer] = [await connectControl('scheduler'), await connectControl('share-server')];
    expect(await jetstream(scheduler).publish(confirmed, 'by the scheduler')).toMatchObject({
      stream: STREAM.activity,
    });
    for (const other of [control, shareServer]) {
      await expect(jetstream(other).publish(confirmed, 'by another')).rejects.toThrow(/permissions violation/i);
    }
    await expect(jetstream(hostA).publish(confirmed, 'by the host')).rejects.toThrow(/permissions violation/i);
    const jsm = await managerOf(control);
    const kept = await jsm.streams.getMessage(STREAM.activity, { last_by_subj: confirmed });
    expect(kept?.string()).toBe('by the scheduler');
  });

  it('all of it is still there after the server was killed', async () => {
    const before = (await (await managerOf(control)).streams.info(STREAM.log)).state.last_seq;
    await server.kill('SIGKILL');
    await server.start();
    const again = await connectHost('a');
    await jetstream(again).publish(subjects.claim('a', 'p', 'operation-ended'), 'again');
    const info = await (await managerOf(await connectControl('api'))).streams.info(STREAM.log);
    expect(info.state.last_seq).toBe(before);
  }, 30_000);
});
