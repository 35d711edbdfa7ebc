import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/transport-node';
import { poisonRequests } from '../../contracts/src/testing/poisons.js';
import { answer, ask, Refused, Unanswered, type AnswerOptions } from './request.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

const SUBJECT = 'buckets.ask.h1.grant';

describe('asking and answering', () => {
  let parts: RealParts;
  let asker: NatsConnection;
  let answerer: NatsConnection;
  let subscriptions: { drain(): Promise<void> }[] = [];

  beforeAll(async () => {
    parts = await RealParts.start(['nats']);
    [asker, answerer] = await Promise.all([parts.connect(), parts.connect()]);
  });
  afterAll(async () => {
    await parts.stop();
  });
  afterEach(async () => {
    await Promise.all(subscriptions.splice(0).map((subscription) => subscription.drain()));
  });

  async function answering(
    handle: Parameters<typeof answer>[3],
    options: Partial<AnswerOptions> = {},
    subject = 'buckets.ask.>',
  ): Promise<void> {
    const refuse = (error: unknown) => ({ code: 'no', detail: (error as Error).message, retry: true });
    subscriptions.push(answer(answerer, subject, { atOnce: 10, refuse, ...options }, handle));
    await answerer.flush();
  }
  const raw = async (text: string | Uint8Array) => (await asker.request(SUBJECT, text, { timeout: 5_000 })).json();

  it('brings the answer, and tells the answerer who asks', async () => {
    await answering(async ({ subject, name, body }) => ({ subject, name, body }));
    expect(await ask(asker, SUBJECT, { a: 1 })).toEqual({
      subject: { family: 'ask', hostId: 'h1', name: 'grant' },
      name: 'grant',
      body: { a: 1 },
    });
    expect(await raw('')).toEqual({ ok: expect.objectContaining({ body: {} }) });
  });

  it('brings a refusal as an error with its code and whether to ask again', async () => {
    await answering(() => Promise.reject(new Error('not yours')));
    const failing = ask(asker, SUBJECT, {});
    await expect(failing).rejects.toThrow(Refused);
    await expect(failing).rejects.toMatchObject({ code: 'no', message: 'not yours', refusal: { retry: true } });
  });

  it('fails at once when nobody listens, and after the time when nobody answers', async () => {
    await expect(ask(asker, SUBJECT, {}, 60_000)).rejects.toThrow(Unanswered);
    await answering(() => new Promise(() => undefined));
    await expect(ask(asker, SUBJECT, {}, 50)).rejects.toThrow(Unanswered);
  });

  it('refuses, as busy, what is more than the answerer can do at once', async () => {
    const done = Promise.withResolvers<void>();
    await answering(() => done.promise, { atOnce: 2 });
    const waiting = [ask(asker, SUBJECT, {}), ask(asker, SUBJECT, {})];
    await expect(ask(asker, SUBJECT, {})).rejects.toMatchObject({ code: 'busy', refusal: { retry: true } });
    done.resolve();
    expect(await Promise.all(waiting)).toEqual([{}, {}]);
    expect(await ask(asker, SUBJECT, {})).toEqual({});
  });

  it.each(['{', 'null,', '\u0000', Buffer.from([0xff, 0xfe])])(
    'refuses %j, which is no JSON, and lives on',
    async (text) => {
      await answering(async () => 'fine');
      expect(await raw(text)).toMatchObject({ refused: { code: 'bad-request', retry: false } });
      expect(await ask(asker, SUBJECT, {})).toBe('fine');
    },
  );

  it('refuses what is too large to read, or to answer', async () => {
    await answering(async () => 'x'.repeat(2 * 1024 * 1024), { maxBytes: 100 });
    expect(await raw(JSON.stringify('y'.repeat(100)))).toMatchObject({ refused: { code: 'bad-request' } });
    expect(await raw('{}')).toMatchObject({ refused: { code: 'answer-too-large', retry: false } });
  });

  it.each(['{', 'null', '7', '{}'])('takes %s for no answer', async (text) => {
    subscriptions.push(answerer.subscribe(SUBJECT, { callback: (_, message) => void message.respond(text) }));
    await answerer.flush();
    await expect(ask(asker, SUBJECT, {})).rejects.toThrow(Unanswered);
  });

  it.each([
    { refused: {} },
    { refused: { code: '__proto__x', detail: 'no', retry: true } },
    { refused: { code: 'Any words', detail: 'no', retry: true } },
    { refused: { code: 'no', detail: 'x'.repeat(5_000), retry: true } },
    { refused: { code: 'no', detail: 'no', retry: 'yes' } },
    { refused: null },
  ])('takes %j for no refusal', async (content) => {
    const text = JSON.stringify(content);
    subscriptions.push(answerer.subscribe(SUBJECT, { callback: (_, message) => void message.respond(text) }));
    await answerer.flush();
    await expect(ask(asker, SUBJECT, {})).rejects.toThrow(Unanswered);
  });

  it.each(poisonRequests())('is asked, and answered, with %s, and lives on', async (_, bytes) => {
    await answering(async ({ body }) => ({ body }));
    expect(await raw(bytes)).toEqual(expect.anything());
    expect(await ask(asker, SUBJECT, { a: 1 })).toEqual({ body: { a: 1 } });
    await Promise.all(subscriptions.splice(0).map((subscription) => subscription.drain()));
    subscriptions.push(answerer.subscribe(SUBJECT, { callback: (__, message) => void message.respond(bytes) }));
    await answerer.flush();
    await expect(ask(asker, SUBJECT, {})).rejects.toThrow(Unanswered);
  });

  it('answers what was asked before the end, and dies of nothing after it', async () => {
    const leaving = await parts.connect();
    const done = Promise.withResolvers<void>();
    const options = { atOnce: 1, refuse: () => ({ code: 'no', detail: '', retry: false }) };
    const subscription = answer(leaving, SUBJECT, options, () => done.promise);
    await leaving.flush();
    const asked = ask(asker, SUBJECT, {}, 1_000);
    await asker.flush();
    await subscription.drain();
    await leaving.close();
    done.resolve();
    await expect(asked).rejects.toThrow(Unanswered);
  });
});
