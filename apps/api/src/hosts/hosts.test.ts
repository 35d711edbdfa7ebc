import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { writeActivity } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(60_000);

let api: RunningApi;
beforeAll(async () => {
  api = await RunningApi.start();
  const region = { id: 'here', name: 'Here', latitude: 0, longitude: 0 };
  await api.call('POST', '/v1/regions', { body: region });
});
afterAll(() => api.stop());

async function newHost(id: string): Promise<void> {
  await api.call('POST', '/v1/hosts', { body: { id, name: id, regionId: 'here' } });
}

/** A sign of life of a host whose clock is ahead by so much. */
function beat(hostId: string, aheadMs: number, more: { dataRoot?: string } = {}): void {
  const data = {
    at: Date.now() + aheadMs,
    version: '1',
    incarnation: 'first',
    projects: 0,
    runningOperations: 0,
    freeBytes: 1,
    ...more,
  };
  const { subject, bytes } = writeActivity({ name: 'host', hostId, data }, 'buckets/backup-worker');
  api.nats.publish(subject, bytes);
}

async function seen(id: string): Promise<Record<string, unknown>> {
  return until(async () => {
    const { body } = await api.call('GET', `/v1/hosts/${id}`);
    return body['seenAt'] === undefined ? undefined : body;
  });
}

describe('a host', () => {
  it('that was not heard is shown without a clock, and not warned of while nobody can have heard it yet', async () => {
    await newHost('silent');
    const { body } = await api.call('GET', '/v1/hosts/silent');
    expect(body).toEqual({
      id: 'silent',
      name: 'silent',
      regionId: 'here',
      createdAt: expect.any(String),
      warnings: [],
    });
  });

  it.each([
    ['right', 0, []],
    ['ahead', 20 * 60_000, [expect.stringMatching(/^Its clock is 20 minutes ahead: set it/)]],
    ['behind', -45_000, [expect.stringMatching(/^Its clock is 45 seconds behind: set it/)]],
  ])('is shown with how far its clock is off: %s', async (id, aheadMs, warnings) => {
    await newHost(id);
    const sentAt = Date.now();
    beat(id, aheadMs);
    const body = await seen(id);
    expect(body).toMatchObject({ id, seenAt: expect.any(String), warnings });
    // What it took on its way counts as well.
    expect(body['clockSkewMs']).toBeLessThanOrEqual(aheadMs + 1);
    expect(body['clockSkewMs']).toBeGreaterThanOrEqual(aheadMs - (Date.now() - sentAt));
    const { body: list } = await api.call('GET', '/v1/hosts');
    expect(list['items']).toContainEqual(body);
  });
});

it('a host without its data root is shown with what to do, and one of an earlier version says nothing of it', async () => {
  await newHost('rootless');
  beat('rootless', 0, { dataRoot: 'foreign' });
  expect(await seen('rootless')).toMatchObject({
    dataRoot: 'foreign',
    warnings: [expect.stringContaining('marked as that of another host')],
  });
  await newHost('rooted');
  beat('rooted', 0, { dataRoot: 'here' });
  expect(await seen('rooted')).toMatchObject({ dataRoot: 'here', warnings: [] });
});
