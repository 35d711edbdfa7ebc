import { describe, expect, it } from '@jest/globals';
import { expectRejection } from '../state/testing/given.js';
import { LOOKED_AT, mustHoldNone, unknownProjectsIn } from './unknown-projects.js';

/** A bucket that holds copies of these keys, and these repositories. */
function bucket(keys: string[], repositories: string[]) {
  const asked: (number | undefined)[] = [];
  return {
    asked,
    async *list(_: string, { limit }: { limit?: number } = {}) {
      asked.push(limit);
      for (const key of keys.slice(0, limit)) yield { key: `keys/${key}`, size: 1, lastModified: undefined };
    },
    async *folders(_: string, { limit }: { limit?: number } = {}) {
      asked.push(limit);
      yield* repositories.slice(0, limit);
    },
  };
}
const known =
  (...ids: string[]) =>
  (asked: string[]) =>
    Promise.resolve(new Set(asked.filter((id) => ids.includes(id))));

describe('a bucket', () => {
  it.each([
    ['is empty', [], []],
    ['holds what the log knows', ['atlas', 'boreas'], ['atlas']],
    ['holds what is of nobody’s projects', ['Some File.txt'], ['Other']],
  ])('that %s can be used', async (_, keys, repositories) => {
    const found = await unknownProjectsIn(bucket(keys, repositories), known('atlas', 'boreas'));
    expect(found).toMatchObject({ keys: 0, repositories: 0, examples: [] });
    expect(() => mustHoldNone('safe', found)).not.toThrow();
  });

  it('that holds keys or repositories of unknown projects is refused, with how many and which', async () => {
    const found = await unknownProjectsIn(bucket(['atlas', 'boreas'], ['boreas', 'corvus']), known('atlas'));
    expect(found).toEqual({ keys: 1, repositories: 2, mayBeMore: false, examples: ['boreas', 'corvus'] });
    expectRejection(() => mustHoldNone('safe', found), 'bucket-holds-unknown-projects', 409);
    expect(() => mustHoldNone('safe', found)).toThrow(/keys of 1 .* repositories of 2 .*recover-from-buckets.*accept/);
  });

  it('is looked at by a page only', async () => {
    const many = bucket(
      Array.from({ length: 3 * LOOKED_AT }, (_, index) => `p-${index}`),
      ['atlas'],
    );
    const found = await unknownProjectsIn(many, known('atlas'));
    expect(many.asked).toEqual([LOOKED_AT, LOOKED_AT]);
    expect(found).toMatchObject({ keys: LOOKED_AT, repositories: 0, mayBeMore: true });
    expect(() => mustHoldNone('safe', found)).toThrow('or more');
  });
});
