import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { CLAIMS_CONSUMER, hostConsumer, STREAM } from '@buckets/contracts';
import { DEFAULT_LIMITS, logIdentity, provisionHostConsumers, provisionStreams } from './streams.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

describe('the streams', () => {
  let parts: RealParts;
  let jsm: JetStreamManager;

  beforeAll(async () => {
    parts = await RealParts.start(['nats']);
  });
  afterAll(async () => {
    await parts.stop();
  });
  beforeEach(async () => {
    ({ jsm } = await parts.freshLog());
  });

  const info = () => jsm.streams.info(STREAM.log);
  const configs = async () => {
    const all = await Promise.all(Object.values(STREAM).map((name) => jsm.streams.info(name)));
    return all.map(({ config, created }) => ({ config, created }));
  };

  it('keep what they are given, and refuse what they have no room for', async () => {
    expect((await info()).config).toMatchObject({
      storage: 'file',
      retention: 'limits',
      discard: 'new',
      max_age: 0,
      max_msgs: -1,
      max_bytes: DEFAULT_LIMITS.logBytes,
      deny_delete: true,
      deny_purge: true,
      allow_atomic: true,
    } satisfies Partial<StreamConfig>);
    // Claims go once they are decided, and not before.
    const claims = await jsm.streams.info(STREAM.claims);
    expect(claims.config).toMatchObject({ retention: 'workqueue', discard: 'new', max_age: 0, storage: 'file' });
    const consumer = await jsm.consumers.info(STREAM.claims, CLAIMS_CONSUMER);
    expect(consumer.config).toMatchObject({ ack_policy: 'explicit', max_deliver: -1 });
  });

  it('are left alone when they are as they should be', async () => {
    const before = await configs();
    await provisionStreams(jsm);
    await provisionStreams(jsm);
    expect(await configs()).toEqual(before);
  });

  it('get other limits without losing their identity', async () => {
    const before = logIdentity(await info());
    await provisionStreams(jsm, { replicas: 1, logBytes: 2 * 1024 ** 3 });
    const after = await info();
    expect(after.config.max_bytes).toBe(2 * 1024 ** 3);
    expect(logIdentity(after)).toBe(before);
  });

  it('are made once by two that start at the same moment, with one identity', async () => {
    await Promise.all(Object.values(STREAM).map((name) => jsm.streams.delete(name)));
    const managers = await Promise.all([1, 2, 3].map(async () => jetstreamManager(await parts.connect())));
    await Promise.all(managers.map((manager) => provisionStreams(manager)));
    const identities = await Promise.all(
      managers.map(async (manager) => logIdentity(await manager.streams.info(STREAM.log))),
    );
    expect(new Set(identities).size).toBe(1);
    expect(identities[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('hand a host its work and its cancels apart, with no delivery limit', async () => {
    await provisionHostConsumers(jsm, 'h1');
    const created = (await jsm.consumers.info(STREAM.log, hostConsumer.work('h1'))).created;
    await provisionHostConsumers(jsm, 'h1');
    const work = await jsm.consumers.info(STREAM.log, hostConsumer.work('h1'));
    expect(work.created).toBe(created);
    expect(work.config).toMatchObject({ ack_policy: 'explicit', max_deliver: -1 });
    expect(work.config.filter_subjects).toContain('buckets.intent.h1.*.backup');
    expect(work.config.filter_subjects).not.toContain('buckets.intent.h1.*.cancel');
    const cancel = await jsm.consumers.info(STREAM.log, hostConsumer.cancel('h1'));
    expect(cancel.config.filter_subject).toBe('buckets.intent.h1.*.cancel');
  });
});
