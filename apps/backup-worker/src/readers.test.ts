import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { encode, envelope, hostConsumer, readIntent, STREAM, subjects, type Answer } from '@buckets/contracts';
import { provisionHostConsumers, PullServer } from '@buckets/log';
import { until } from '@buckets/patience';
import { createLogger } from '@buckets/service';
import { INTENT_EXAMPLES } from '../../../libs/contracts/src/testing/examples.js';
import { poisonRequests, poisonsFor } from '../../../libs/contracts/src/testing/poisons.js';
import { RealParts } from '../../../libs/log/src/testing/real-parts.js';
import { LiveFilesDesk } from './live-files/live-files-desk.js';
import { LiveFiles } from './live-files/live-files.js';

jest.setTimeout(120_000);

const HOST = 'eu-1';
const log = createLogger('test', { level: 'fatal' });

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['nats']);
});
afterAll(async () => {
  await parts.stop();
});

/** Each reader of a worker, on a real NATS: it is sent what nobody can read, and then what it can. */
describe('no message ends a reader of a worker:', () => {
  it.each(['work', 'cancel'] as const)('of intents, for %s: they are put aside, and hold up nothing', async (which) => {
    const { nats, jsm } = await parts.freshLog();
    await provisionHostConsumers(jsm, HOST);
    const js = jetstream(nats);
    const consumer = hostConsumer[which](HOST);
    const kind = which === 'work' ? 'backup' : 'cancel';
    const subject = subjects.intent(HOST, 'atlas', kind);
    const fields = { source: 'test', type: `buckets.intent.${kind}.v1`, subject: `host/${HOST}/project/atlas` };
    const good = envelope(fields, INTENT_EXAMPLES[kind]);
    const poisons = poisonsFor(good);
    for (const [, bytes] of poisons) await js.publish(subject, bytes);
    await js.publish(subject, encode(good));
    const aside = new Set<number>();
    const heard: string[] = [];
    const source = {
      stream: STREAM.log,
      consumer,
      read: readIntent,
      pattern: () => 'all',
      unreadable: async ({ seq }: { seq: number }) => void aside.add(seq),
      atOnce: 10,
    };
    const server = new PullServer(js, [source], log);
    server.addHandler('all', async ({ projectId }: { projectId: string }) => void heard.push(projectId), true);
    server.listen(() => undefined);
    await until(async () => {
      const { num_pending, num_ack_pending } = await jsm.consumers.info(STREAM.log, consumer);
      return num_pending + num_ack_pending === 0;
    });
    server.check();
    await server.close();
    expect([heard, aside.size]).toEqual([['atlas'], poisons.length]);
  });

  it('of requests for files: they are refused, for good', async () => {
    const nats = await parts.connect();
    const place = await mkdtemp(join(tmpdir(), 'buckets-readers-'));
    for (const root of ['project', 'persist']) await mkdir(join(place, 'atlas', root), { recursive: true });
    const files = new LiveFiles({ dataRoot: place, uploadsFolder: join(place, 'uploads'), onChange: () => undefined });
    const desk = new LiveFilesDesk(nats, HOST, files, () => Promise.resolve(true), log);
    desk.open();
    await nats.flush();
    const ask = async (bytes: Uint8Array) =>
      (await nats.request(subjects.request(HOST, 'files'), bytes, { timeout: 10_000 })).json<Answer<object>>();
    for (const [what, bytes] of poisonRequests()) {
      expect([what, await ask(bytes)]).toEqual([what, { refused: expect.objectContaining({ retry: false }) }]);
    }
    const list = { projectId: 'atlas', generation: 1, do: 'list', path: '', limit: 2 };
    expect(await ask(Buffer.from(JSON.stringify(list)))).toMatchObject({ ok: { entries: [{}, {}] } });
    desk.check();
    await desk.close();
    await rm(place, { recursive: true });
  });
});
