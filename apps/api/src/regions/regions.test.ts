import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(60_000);

interface Region {
  id: string;
  distanceKm?: number;
}

const PLACES: Record<string, [latitude: number, longitude: number]> = {
  sydney: [-33.87, 151.21],
  zurich: [47.37, 8.54],
  frankfurt: [50.11, 8.68],
  'frankfurt-2': [50.11, 8.68],
  oregon: [45.84, -119.7],
  singapore: [1.35, 103.82],
  pole: [90, 0],
  bern: [46.95, 7.45],
};
const FROM_ZURICH = ['zurich', 'bern', 'frankfurt', 'frankfurt-2', 'pole', 'oregon', 'singapore', 'sydney'];

describe('the list of regions', () => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await RunningApi.start();
    for (const [id, [latitude, longitude]] of Object.entries(PLACES)) {
      await api.call('POST', '/v1/regions', { body: { id, name: id, latitude, longitude } });
    }
  });
  afterAll(async () => {
    await api.stop();
  });

  async function pages(query: string, headers: Record<string, string> = {}): Promise<Region[][]> {
    const found: Region[][] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const more = cursor === '' ? '' : `&cursor=${cursor}`;
      const { status, body } = await api.call('GET', `/v1/regions?${query}${more}`, { headers });
      expect(status).toBe(200);
      found.push(body['items'] as Region[]);
      cursor = body['nextCursor'] as string | undefined;
    }
    return found;
  }

  it.each([1, 2, 3, 5, 8, 50])('is in the order of the distance as a whole, in pages of %d', async (limit) => {
    const found = await pages(`latitude=47.37&longitude=8.54&limit=${limit}`);
    expect(found.flat().map(({ id }) => id)).toEqual(FROM_ZURICH);
    expect(found.every((page) => page.length <= limit)).toBe(true);
    const distances = found.flat().map(({ distanceKm }) => distanceKm!);
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    // As maps have it: some 95 km to Bern, 16,570 km to Sydney.
    expect([distances[0], distances[1], distances.at(-1)]).toEqual([
      0,
      expect.closeTo(94, -1),
      expect.closeTo(16_570, -2),
    ]);
  });

  it('goes on in its order wherever its caller is by then', async () => {
    const headers = { 'cf-iplatitude': '47.37', 'cf-iplongitude': '8.54' };
    const first = await api.call('GET', '/v1/regions?limit=3', { headers });
    const cursor = first.body['nextCursor'] as string;
    const elsewhere = { 'cf-iplatitude': '-33.87', 'cf-iplongitude': '151.21' };
    const next = await api.call('GET', `/v1/regions?limit=50&cursor=${cursor}`, { headers: elsewhere });
    const ids = [...(first.body['items'] as Region[]), ...(next.body['items'] as Region[])].map(({ id }) => id);
    expect(ids).toEqual(FROM_ZURICH);
  });

  it('is in the order in which they were made where nobody knows where the caller is', async () => {
    const unknown: Record<string, string>[] = [
      {},
      { 'cf-iplatitude': 'x', 'cf-iplongitude': '8' },
      { 'cf-iplatitude': '91', 'cf-iplongitude': '' },
    ];
    for (const headers of unknown) {
      const found = (await pages('limit=3', headers)).flat();
      expect(found.map(({ id }) => id)).toEqual(Object.keys(PLACES));
      expect(found.every(({ distanceKm }) => distanceKm === undefined)).toBe(true);
    }
  });

  it('takes no cursor of another order', async () => {
    const { body } = await api.call('GET', '/v1/regions?limit=3');
    const cursor = String(body['nextCursor']);
    const answer = await api.call('GET', `/v1/regions?latitude=1&longitude=1&cursor=${cursor}`);
    expect([answer.status, answer.body['code']]).toEqual([400, 'invalid-cursor']);
  });
});
