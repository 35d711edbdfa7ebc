import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { cp, rm } from 'node:fs/promises';
import { hostConsumer, STREAM } from '@buckets/contracts';
import { logIdentity, PositionRow, restoreLog, type StoredPosition } from '@buckets/log';
import { until } from '@buckets/patience';
import { event, READY, requestedEvent } from '../state/testing/given.js';
import { TablesProjection } from '../tables/tables-projection.js';
import { RunningApi } from '../testing/running-api.js';
import { provisionHostQueues } from './host-queues.js';
import { PostgresJournal } from './postgres-journal.js';

jest.setTimeout(120_000);
const PATIENT = { withinMs: 30_000 };

describe('an API whose NATS comes back', () => {
  let api: RunningApi;
  let number = 0;

  beforeAll(async () => {
    api = await RunningApi.start();
    await regionIsMade();
  });
  afterAll(async () => {
    await api.stop();
  });

  const newRegion = () => {
    const body = { id: `region-${++number}`, name: 'A place', latitude: 1, longitude: 2 };
    return api.call('POST', '/v1/regions', { body });
  };
  /** The tables may need a moment after NATS was away. */
  const regionIsMade = () => until(async () => (await newRegion()).status === 201, PATIENT);
  const regions = async () => ((await api.call('GET', '/v1/regions')).body['items'] as { id: string }[]).length;
  const health = async () => {
    const { status, body } = await api.call('GET', '/health/ready');
    return { status, log: (body['checks'] as Record<string, { status: string; reason?: string }>)['log']! };
  };
  const wait = (reason: string) => until(async () => (await health()).log.reason?.includes(reason), PATIENT);
  const isWell = () => until(async () => (await health()).log.status === 'up', PATIENT);
  const known = async () => (await new PositionRow(new TablesProjection()).readIfThere(api.data)) as StoredPosition;
  const streams = async () => {
    const names: string[] = [];
    for await (const name of api.jsm.streams.names()) names.push(name);
    return names;
  };
  const comesBack = async (change: () => Promise<void>) => {
    await api.parts.nats.kill();
    await change();
    await api.parts.nats.start();
  };
  const restore = async () =>
    restoreLog({ nats: api.nats, jsm: api.jsm, journal: new PostgresJournal(api.data), known: await known() });

  it('without the log refuses what would need one, says what to do, and makes none in its place', async () => {
    const before = await known();
    expect(before.position).toBeGreaterThan(0);
    await comesBack(() => rm(api.parts.natsData, { recursive: true }));
    await wait('there is no stream BUCKETS');
    const { status, log } = await health();
    expect([status, log.status]).toEqual([503, 'down']);
    expect(log.reason).toContain('npm run restore-log');
    expect((await newRegion()).status).toBe(503);
    expect(await regions()).toBe(1);
    expect(await streams()).toEqual([]);
    expect(await known()).toEqual(before);
  });

  it('goes on by itself once the log has been restored, where it was', async () => {
    const { position, identity } = await known();
    expect(await restore()).toMatchObject({ found: 'no log', appended: position, position });
    await isWell();
    await regionIsMade();
    expect((await known()).identity).toBe(identity);
    expect((await known()).position).toBeGreaterThan(position);
    expect((await streams()).toSorted()).toEqual(Object.values(STREAM).toSorted());
  });

  it('with an older copy of the log appends nothing to it, until it has been completed', async () => {
    const copy = `${api.parts.natsData}.copy`;
    const end = (await known()).position;
    await comesBack(() => cp(api.parts.natsData, copy, { recursive: true }));
    await isWell();
    await regionIsMade();
    await regionIsMade();
    const { position } = await known();
    expect((await api.jsm.streams.info(STREAM.log)).state.last_seq).toBe(position);
    const lost = position - end;
    await comesBack(async () => {
      await rm(api.parts.natsData, { recursive: true });
      await cp(copy, api.parts.natsData, { recursive: true });
    });
    await wait(`they are at position ${position}, and the log ends at ${end}`);
    expect(await newRegion()).toMatchObject({ status: 503, body: { code: 'log-mismatch' } });
    expect((await api.jsm.streams.info(STREAM.log)).state.last_seq).toBe(end);
    expect(await restore()).toMatchObject({ found: 'an older copy', compared: end, appended: lost });
    await isWell();
    await regionIsMade();
  });

  it('with another log appends nothing to it', async () => {
    const { position } = await known();
    const { config } = await api.jsm.streams.info(STREAM.log);
    await api.jsm.streams.delete(STREAM.log);
    await api.jsm.streams.add({ ...config, metadata: { 'buckets-identity': 'another' } });
    await comesBack(() => Promise.resolve());
    await wait('it is another log');
    expect((await newRegion()).status).toBe(503);
    expect((await api.jsm.streams.info(STREAM.log)).state.last_seq).toBe(0);
    // It is empty, so nothing is lost when it becomes the right one.
    expect(await restore()).toMatchObject({ found: 'an empty log', appended: position });
    await isWell();
    expect(logIdentity(await api.jsm.streams.info(STREAM.log))).toBe((await known()).identity);
  });

  describe('makes the queues of its hosts again', () => {
    const queue = (hostId: string) => api.jsm.consumers.info(STREAM.log, hostConsumer.work(hostId));
    let open: number;

    beforeAll(async () => {
      const region = 'region-1';
      for (const id of ['h1', 'h2']) {
        await api.call('POST', '/v1/hosts', { body: { id, name: id, regionId: region } });
      }
      await api.given('p1', READY);
      const [requested] = await api.given('p1', [requestedEvent('op-open', 'backup')], (await known()).position);
      open = requested!.position;
      const update = event('updated', { requestedBy: 'admin', backupIntervalMinutes: 5 });
      await api.given('p1', [update], open);
    });

    it('from the first operation that is still open, or from now on', async () => {
      const { position } = await known();
      for (const id of ['h1', 'h2']) await api.jsm.consumers.delete(STREAM.log, hostConsumer.work(id));
      await comesBack(() => Promise.resolve());
      const [one, two] = await until(() => Promise.all([queue('h1'), queue('h2')]), PATIENT);
      expect([one.config.opt_start_seq, two.config.opt_start_seq]).toEqual([open, position + 1]);
      expect(await provisionHostQueues(api.jsm, api.data)).toEqual([]);
    });

    it('and anew when the claims are gone, so that nothing waits for the word of one that has spoken', async () => {
      const { created } = await until(() => queue('h1'), PATIENT);
      await api.jsm.streams.delete(STREAM.claims);
      await comesBack(() => Promise.resolve());
      await until(async () => (await streams()).includes(STREAM.claims), PATIENT);
      const again = await queue('h1');
      expect(again.created).not.toBe(created);
      expect(again.config.opt_start_seq).toBe(open);
    });
  });

  it('has a journal that tells what it lacks', async () => {
    const journal = new PostgresJournal(api.data);
    const { position } = await known();
    expect(await journal.missing({ from: 1, to: position })).toEqual([]);
    await api.data.query('DELETE FROM api.journal WHERE position IN (1, 3, 4, $1)', [position]);
    expect(await journal.missing({ from: 1, to: position })).toEqual([
      { from: 1, to: 1 },
      { from: 3, to: 4 },
      { from: position, to: position },
    ]);
  });
});
