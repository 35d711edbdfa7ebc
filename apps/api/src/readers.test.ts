import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  activityTypeName,
  CLAIMS_CONSUMER,
  claimTypeName,
  encode,
  envelope,
  NO_HOST,
  NO_PROJECT,
  STREAM,
  subjects,
  writeActivity,
  type Answer,
} from '@buckets/contracts';
import { DeadLetters } from '@buckets/log';
import { until } from '@buckets/patience';
import { poisonRequests, poisonsFor } from '../../../libs/contracts/src/testing/poisons.js';
import { HostSigns } from './hosts/host-signs.js';
import { ProgressBoard } from './operations/progress-board.js';
import { HERE, READY } from './state/testing/given.js';
import { RunningApi } from './testing/running-api.js';

jest.setTimeout(180_000);

const HOST = HERE.hostId;
const IN_TIME = { withinMs: 30_000 };

/** Each reader of the API, on a real NATS: it is sent what nobody can read, and then what it can. */
describe('no message ends a reader of the API:', () => {
  let api: RunningApi;
  /** May send what only others than the API send. */
  let admin: NatsConnection;

  beforeAll(async () => {
    api = await RunningApi.start();
    admin = await api.parts.connect({ user: 'admin' });
    await api.given('atlas', READY);
  });
  afterAll(async () => {
    await api.stop();
  });

  /** All parts are well, and people are answered. */
  async function isWell(): Promise<void> {
    const ready = await api.call('GET', '/health/ready', { token: null });
    expect(ready.body['checks']).toEqual(
      Object.fromEntries(Object.keys(ready.body['checks'] as object).map((name) => [name, { status: 'up' }])),
    );
    expect((await api.call('GET', '/v1/projects/atlas')).status).toBe(200);
  }
  const kept = async (subject: string, bytes: Uint8Array) => void (await jetstream(admin).publish(subject, bytes));

  it('of progress', async () => {
    const [subject, about] = [subjects.progress(HOST, 'op-1'), `host/${HOST}/operation/op-1`];
    const good = envelope(
      { source: 'test', type: 'buckets.progress.v1', subject: about },
      { phase: 'uploading', attempt: 1, bytesDone: 7, at: 1 },
    );
    for (const [, bytes] of poisonsFor(good)) api.nats.publish(subject, bytes);
    await api.nats.flush();
    await isWell();
    const board = api.part(ProgressBoard);
    const heard: number[] = [];
    board.watch(HOST, 'op-1', ({ bytesDone }) => void heard.push(bytesDone));
    board.watch(HOST, 'op-1', () => {
      throw new RangeError('whoever listens cannot bear it');
    });
    await kept(subject, encode(good));
    await kept(subject, encode(good));
    await until(() => heard.length === 2, IN_TIME);
    expect(board.leftOut.warning()).toContain(subject);
    await isWell();
  });

  it('of claims: they go to the dead letters, and hold up nobody', async () => {
    const subject = subjects.claim(HOST, 'atlas', 'operation-ended');
    const about = { source: 'test', type: claimTypeName('operation-ended'), subject: `host/${HOST}/project/atlas` };
    const claim = { operationId: 'op-9', generation: 99, kind: 'backup', attemptId: 'at-9', outcome: 'failed' };
    const poisons = poisonsFor(envelope(about, claim), (await claimsStream()).config.max_msg_size - 200);
    for (const [, bytes] of poisons) await kept(subject, bytes);
    await kept(subject, encode(envelope(about, claim)));
    await until(async () => {
      const { num_pending, num_ack_pending } = await api.jsm.consumers.info(STREAM.claims, CLAIMS_CONSUMER);
      return num_pending + num_ack_pending === 0;
    }, IN_TIME);
    expect((await claimsStream()).state.messages).toBe(0);
    const letters = await new DeadLetters(jetstream(api.nats), api.jsm).list({ limit: 500 });
    expect(letters).toHaveLength(poisons.length);
    expect(new Set(letters.map(({ hostId }) => hostId))).toEqual(new Set([HOST]));
    const [{ n }] = await api.data.query<[{ n: number }]>(
      `SELECT count(*)::int AS n FROM api.journal WHERE subject = 'buckets.event.project.atlas.claim-rejected'`,
    );
    expect(n).toBe(1);
    await isWell();
    for (const { id } of letters.slice(0, 50)) {
      expect((await api.call('GET', `/v1/dead-letters/${id}`)).status).toBe(200);
      expect((await api.call('POST', `/v1/dead-letters/${id}/replay`)).status).toBe(409);
    }
  });
  const claimsStream = () => api.jsm.streams.info(STREAM.claims);

  const request = async (subject: string, bytes: Uint8Array) =>
    (await api.nats.request(subject, bytes, { timeout: 10_000 })).json<Answer<object>>();

  it.each(['grant', 'confirm', 'repository-initialised', 'unknown-backups', 'known-backups', 'assignments'] as const)(
    'of the ask %s: they are refused, for good',
    async (name) => {
      for (const [what, bytes] of poisonRequests()) {
        const answer = await request(subjects.ask(HOST, name), bytes);
        const isTaken = name === 'assignments' && 'ok' in answer;
        if (!isTaken) expect([what, answer]).toEqual([what, { refused: expect.objectContaining({ retry: false }) }]);
      }
      await isWell();
      expect(await request(subjects.ask(HOST, 'assignments'), Buffer.from('{}'))).toEqual({
        ok: { items: [expect.objectContaining({ projectId: 'atlas' })] },
      });
    },
  );

  it.each([
    'request-backup',
    'request-tidy',
    'request-verify',
    'request-forget',
    'expire-operation',
    'state-freshness',
    'unheard-of',
  ])('of the command %s: they are refused, for good', async (name) => {
    for (const [what, bytes] of poisonRequests()) {
      const answer = await request(subjects.command(name), bytes);
      expect([what, answer]).toEqual([what, { refused: expect.objectContaining({ retry: false }) }]);
    }
    await isWell();
  });

  it('of confirmations, and of signs of life', async () => {
    const confirmation = { source: 'test', type: 'buckets.confirmation.v1', subject: `host/${NO_HOST}` };
    const sign = { source: 'test', type: activityTypeName('host'), subject: `host/${HOST}/project/${NO_PROJECT}` };
    const mostKept = 63 * 1024;
    for (const [, bytes] of poisonsFor(envelope(confirmation, {}), mostKept)) {
      if (bytes.length <= mostKept) await kept(subjects.confirmation(NO_HOST), bytes);
    }
    for (const [what, bytes] of poisonsFor(envelope(sign, {}), mostKept)) {
      if (bytes.length > mostKept) continue;
      await kept(subjects.activity(HOST, NO_PROJECT), bytes);
      expect([what, await api.part(HostSigns).of(HOST)]).toEqual([what, undefined]);
    }
    await isWell();
    const counts = { projects: 0, runningOperations: 0, freeBytes: 1 };
    const data = { incarnation: 'first', version: '1', at: Date.now(), ...counts };
    const { subject, bytes } = writeActivity({ name: 'host', hostId: HOST, data }, 'test');
    await kept(subject, bytes);
    expect(await api.part(HostSigns).of(HOST)).toBeDefined();
  });

  it('of the log: its tables stop, it says so and what to do, and reading goes on', async () => {
    const deep = `{"y":${'['.repeat(30_000)}${']'.repeat(30_000)},"x":"\\u0000"}`;
    const fields = { source: 'test', type: 'buckets.project.changed.v1', subject: 'project/atlas' };
    const bytes = Buffer.from(JSON.stringify(envelope(fields, '@')).replace('"@"', () => deep));
    await kept(subjects.event('project', 'atlas', 'changed'), bytes);
    await until(() => api.projector.failure !== undefined, IN_TIME);
    const ready = () => api.call('GET', '/health/ready', { token: null });
    await until(async () => (await ready()).status === 503, IN_TIME);
    expect((await ready()).body['checks']).toMatchObject({
      projection: { status: 'down', needsOperator: true, reason: expect.stringContaining('nested') },
    });
    expect((await api.call('GET', '/v1/projects/atlas')).status).toBe(200);
  });
});
