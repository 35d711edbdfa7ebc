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
