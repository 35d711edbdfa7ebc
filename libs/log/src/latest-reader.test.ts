import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import { STREAM, subjects } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { LatestReader, type HeardMessage } from './latest-reader.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

let parts: RealParts;
let jsm: JetStreamManager;
let nats: Awaited<ReturnType<RealParts['freshLog']>>['nats'];

beforeAll(async () => {
  parts = await RealParts.start(['nats']);
});
afterAll(async () => {
  await parts.stop();
});
beforeEach(async () => {
  ({ nats, jsm } = await parts.freshLog());
});

/** What one listener hears, until it is disposed of. */
function listen() {
  const heard: HeardMessage[] = [];
  const states: string[] = [];
  const end = new AbortController();
  const from = { stream: STREAM.activity, subject: subjects.allActivity };
  const listener = {
    listening: () => void states.push('listening'),
    deaf: () => void states.push('deaf'),
    hear: (message: HeardMessage) => void heard.push(message),
  };
  const ended = new LatestReader(jetstream(nats), jsm, from, { warn: () => undefined }).run(listener, end.signal);
  const stop = async (): Promise<void> => {
    end.abort();
    await ended;
  };
  return { heard, states, [Symbol.asyncDispose]: stop };
}

const tell = (projectId: string, text: string) => jetstream(nats).publish(subjects.activity('eu-1', projectId), text);
const texts = (heard: readonly HeardMessage[]) => heard.map(({ data, live }) => [Buffer.from(data).toString(), live]);

it('hears the latest on each subject, with how long ago it came, and then each as it comes', async () => {
  await tell('a', 'old');
  await tell('a', 'kept');
  const keptAt = performance.now();
  await until(() => performance.now() - keptAt > 300);
  await using listener = listen();
  await until(() => listener.heard.length === 1);
  expect(texts(listener.heard)).toEqual([['kept', false]]);
  expect(listener.heard[0]!.ageMs).toBeGreaterThanOrEqual(300 - 20);
  expect(listener.heard[0]!.ageMs).toBeLessThanOrEqual(performance.now() - keptAt + 1_000);
  const before = performance.now();
  await tell('b', 'live');
  await until(() => listener.heard.length === 2);
  expect(texts(listener.heard).at(-1)).toEqual(['live', true]);
  expect(listener.heard[1]!.ageMs).toBeLessThan(performance.now() - before + 1_000);
});

it('leaves out what its listener cannot hear, and hears the next', async () => {
  const heard: string[] = [];
  let begun = 0;
  const end = new AbortController();
  const from = { stream: STREAM.activity, subject: subjects.allActivity };
  const warnings: object[] = [];
  const reader = new LatestReader(jetstream(nats), jsm, from, { warn: (fields) => void warnings.push(fields) });
  const listener = {
    listening: () => void begun++,
    deaf: () => undefined,
    hear: ({ data }: HeardMessage) => {
      const text = Buffer.from(data).toString();
      if (text === 'poison') throw new RangeError('Maximum call stack size exceeded');
      heard.push(text);
    },
  };
  await tell('a', 'poison');
  const ended = reader.run(listener, end.signal);
  await tell('b', 'kept');
  for (let each = 0; each < 20; each++) await tell('a', 'poison');
  await tell('c', 'live');
  await until(() => heard.includes('live'));
  expect([heard, begun, warnings.length]).toEqual([['kept', 'live'], 1, 1]);
  expect(reader.leftOut.warning()).toContain('buckets.activity.eu-1.a');
  reader.check();
  end.abort();
  await ended;
});

it('begins again when something may have been lost, and says so', async () => {
  await tell('a', 'kept');
  await using listener = listen();
  await until(() => listener.heard.length === 1);
  for await (const { name } of jsm.consumers.list(STREAM.activity)) await jsm.consumers.delete(STREAM.activity, name);
  await until(() => listener.heard.length === 2);
  expect(listener.states).toEqual(['listening', 'deaf', 'listening']);
  expect(texts(listener.heard)).toEqual([
    ['kept', false],
    ['kept', false],
  ]);
});
