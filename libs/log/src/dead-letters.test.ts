import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { encode, envelope, intentTypeName, newId, readIntent, STREAM, subjects } from '@buckets/contracts';
import { DeadLetters, keepDeadLetter } from './dead-letters.js';
import { PositionMoved } from './errors.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

let parts: RealParts;
let nats: NatsConnection;
let jsm: JetStreamManager;
let letters: DeadLetters;

beforeAll(async () => {
  parts = await RealParts.start(['nats']);
});
afterAll(async () => {
  await parts.stop();
});
beforeEach(async () => {
  ({ nats, jsm } = await parts.freshLog());
  letters = new DeadLetters(jetstream(nats), jsm);
});

const letter = (position: number, content: string | Uint8Array = `content of ${position}`) => ({
  stream: STREAM.claims,
  position,
  subject: 'buckets.claim.eu-1.atlas.operation-ended',
  reason: 'it is not\nJSON',
  bytes: Buffer.from(content),
});
async function keep(...positions: number[]): Promise<void> {
  const js = jetstream(nats);
  for (const position of positions) await keepDeadLetter(js, { source: 'claims', hostId: 'eu-1' }, letter(position));
}
const positions = async (page: { before?: number; limit: number }) =>
  (await letters.list(page)).map(({ position }) => position);

describe('dead letters', () => {
  it('are listed without their contents, the newest first, page by page', async () => {
    await keep(10, 11, 12, 13, 14);
    const [newest, ...others] = await letters.list({ limit: 2 });
    expect(newest).toEqual({
      id: 5,
      stream: STREAM.claims,
      position: 14,
      subject: 'buckets.claim.eu-1.atlas.operation-ended',
      reason: 'it is not JSON',
      size: 'content of 14'.length,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      hostId: 'eu-1',
    });
    expect(others).toHaveLength(1);
    expect(await positions({ before: 4, limit: 2 })).toEqual([12, 11]);
    expect(await positions({ before: 2, limit: 2 })).toEqual([10]);
    expect(await positions({ before: 1, limit: 2 })).toEqual([]);
    expect(await positions({ limit: 500 })).toEqual([14, 13, 12, 11, 10]);
  });

  it('are listed around those that are gone', async () => {
    await keep(10, 11, 12, 13, 14, 15);
    for (const id of [1, 3, 4, 6]) expect(await letters.remove(id)).toBe(true);
    expect(await letters.remove(3)).toBe(false);
    expect(await letters.count()).toBe(2);
    expect(await positions({ limit: 1 })).toEqual([14]);
    expect(await positions({ before: 5, limit: 1 })).toEqual([11]);
    expect(await positions({ limit: 10 })).toEqual([14, 11]);
    await letters.remove(5);
    await letters.remove(2);
    expect(await positions({ limit: 10 })).toEqual([]);
    expect(await letters.count()).toBe(0);
  });

  it('are read whole, whatever their bytes', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128]);
    await keepDeadLetter(jetstream(nats), { source: 'claims' }, letter(7, bytes));
    const read = await letters.read(1);
    expect(Buffer.from(read!.bytes)).toEqual(bytes);
    expect(read).toMatchObject({ id: 1, position: 7, size: 5 });
    expect(await letters.list({ limit: 1 })).toEqual([{ ...read, bytes: undefined }]);
    expect(read).not.toHaveProperty('hostId');
    expect(await letters.read(2)).toBeNull();
  });

  it('leave no consumer behind when they were listed', async () => {
    await keep(10, 11);
    await letters.list({ limit: 1 });
    expect((await jsm.streams.info(STREAM.deadLetters)).state.consumer_count).toBe(0);
  });
});

describe('an intent that is sent again', () => {
  const subject = subjects.intent('eu-1', 'atlas', 'backup');
  const operationId = newId();
  const about = {
    source: 'buckets/api',
    type: intentTypeName('backup'),
    subject: 'host/eu-1/project/atlas',
    operationId,
  };
  const data = { operationId, generation: 1, requestedAt: new Date().toISOString() };

  it('is the same in a message of its own', async () => {
    const first = envelope(about, data);
    const position = await letters.sendAgain({ subject, bytes: encode(first) }, 0);
    const stored = await jsm.streams.getMessage(STREAM.log, { seq: position });
    expect(stored!.subject).toBe(subject);
    expect(readIntent(subject, stored!.data)).toMatchObject({ kind: 'backup', hostId: 'eu-1', data });
    const again = JSON.parse(stored!.string()) as typeof first;
    expect(again).toMatchObject({ operationid: operationId, causationid: first.id });
    expect(again.id).not.toBe(first.id);
    expect(stored!.header.get('Nats-Msg-Id')).toBe(again.id);
  });

  it('is not sent when something was stated of its project meanwhile', async () => {
    const fact = subjects.event('project', 'atlas', 'backup-cancelled');
    const { seq } = await jetstream(nats).publish(fact, '{}');
    const bytes = encode(envelope(about, data));
    await expect(letters.sendAgain({ subject, bytes }, seq - 1)).rejects.toThrow(PositionMoved);
    expect(await letters.sendAgain({ subject, bytes }, seq)).toBe(seq + 1);
  });
});
