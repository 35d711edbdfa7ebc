import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import { CLAIMS_CONSUMER, hostConsumer, STREAM } from '@buckets/contracts';
import { DEFAULT_LIMITS, hostsToProvision, logIdentity, provisionHostConsumers, provisionStreams } from './streams.js';
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
    const managers = await Promise.all([1, 2, 3].map(async () => managerOf(await parts.connect())));
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

  describe('let the queues of a host', () => {
    const work = () => jsm.consumers.info(STREAM.log, hostConsumer.work('h1'));
    const provision = (start = 7, more = {}) =>
      provisionHostConsumers(jsm, 'h1', { from: () => Promise.resolve(start), ...more });

    it('begin where they are told to when they are made, and go on where they are ever after', async () => {
      await provision(7);
      const made = await work();
      expect(made.config).toMatchObject({ deliver_policy: 'by_start_sequence', opt_start_seq: 7 });
      await provision(9);
      await provisionHostConsumers(jsm, 'h1');
      expect(await work()).toMatchObject({ created: made.created, config: made.config });
    });

    it('take over what has changed in how they should be', async () => {
      await provision(7);
      const { created } = await work();
      await jsm.consumers.update(STREAM.log, hostConsumer.work('h1'), {
        filter_subjects: ['buckets.intent.h1.*.stop'],
      });
      expect(await hostsToProvision(jsm, ['h1'])).toEqual(['h1']);
      await provision(9);
      expect(await work()).toMatchObject({ created, config: { opt_start_seq: 7 } });
      expect((await work()).config.filter_subjects).toContain('buckets.intent.h1.*.backup');
      expect(await hostsToProvision(jsm, ['h1'])).toEqual([]);
    });

    it('be made anew, which hands out again what has been acknowledged', async () => {
      await provision(7);
      await provision(9, { anew: true });
      expect((await work()).config.opt_start_seq).toBe(9);
    });

    it('be missed of some hosts among many', async () => {
      const ids = Array.from({ length: 200 }, (_, n) => `many-${n}`);
      for (const id of ids.slice(0, 150)) await provisionHostConsumers(jsm, id);
      expect(await hostsToProvision(jsm, ids)).toEqual(ids.slice(150));
    });
  });
});
