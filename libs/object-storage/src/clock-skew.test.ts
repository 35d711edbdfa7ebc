import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { startSeaweedFs } from '@buckets/real-parts';
import { clockSkewOf, measureClockSkew, S3ObjectStore, skewInWords } from './index.js';

const DAY_MS = 86_400_000;

afterEach(() => void jest.restoreAllMocks());

describe('how far the clock is ahead', () => {
  it('is known from the date of an answer, to half a second and half the time that it took', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.parse('2020-01-01'), max: Date.parse('2040-01-01') }),
        fc.integer({ min: -30 * DAY_MS, max: 30 * DAY_MS }),
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: 0, max: 5_000 }),
        (answeredAt, ahead, there, back) => {
          const [sentAt, receivedAt] = [answeredAt - there + ahead, answeredAt + back + ahead];
          const found = clockSkewOf(new Date(answeredAt).toUTCString(), { sentAt, receivedAt });
          expect(Math.abs(found! - ahead)).toBeLessThanOrEqual(501 + (there + back) / 2);
        },
      ),
    );
  });

  it('is not known without a date', () => {
    for (const date of [undefined, null, '', 'yesterday']) {
      expect(clockSkewOf(date, { sentAt: 0, receivedAt: 0 })).toBeUndefined();
    }
  });

  it.each([
    [20 * 60_000, '20 minutes ahead'],
    [-20 * 60_000 - 400, '20 minutes behind'],
    [31_200, '31 seconds ahead'],
    [100_000, '100 seconds ahead'],
    [-1_000, '1 second behind'],
    [26 * 3_600_000, '26 hours ahead'],
    [-3 * DAY_MS, '3 days behind'],
  ])('is said in words: %i ms is %s', (skewMs, words) => {
    expect(skewInWords(skewMs)).toBe(words);
  });
});

describe('beside a real S3 server', () => {
  it('is measured, and the storage is used all the same by a client whose clock is off', async () => {
    await using server = await startSeaweedFs();
    const access = server.access('bucket-1');
    expect(Math.abs((await measureClockSkew(access.endpoint))!)).toBeLessThan(10_000);
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 20 * 60_000);
    expect(Math.round((await measureClockSkew(access.endpoint))! / 60_000)).toBe(20);
    const store = new S3ObjectStore(access);
    await store.createBucket();
    await store.put('a', Buffer.from('bytes'));
    expect((await store.get('a')).toString()).toBe('bytes');
    store.destroy();
    const once = new S3ObjectStore(access, { attempts: 1 });
    await expect(once.get('a')).rejects.toMatchObject({
      code: 'clock-skewed',
      message: expect.stringMatching(/It is 20 minutes ahead\.$/),
    });
    once.destroy();
    const stranger = new S3ObjectStore({ ...access, secretAccessKey: 'wrong' });
    await expect(stranger.get('a')).rejects.toMatchObject({ code: 'object-storage-refused' });
    stranger.destroy();
  }, 60_000);

  it('is not known where nobody answers', async () => {
    expect(await measureClockSkew('http://127.0.0.1:1')).toBeUndefined();
  });
});
