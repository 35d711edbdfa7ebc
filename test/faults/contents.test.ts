import { describe, expect, it } from '@jest/globals';
import type { TreeDescription, TreeEntry } from '@buckets/trees';
import { Contents, differences, holdsNothing, NOTHING } from './contents.js';

function tree(...names: string[]): TreeDescription {
  const file: TreeEntry = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: '1', xattrs: {}, links: 1, size: 0 };
  return new Map(names.map((name) => [name, { ...file, sha256: name }]));
}

const at = (ms: number) => new Date(ms).toISOString();

describe('what is known of a folder', () => {
  it('is what it held while it stood still, and nothing of the moments between', () => {
    const contents = new Contents();
    const [first, second] = [tree('a'), tree('b')];
    const now = Date.now();
    contents.stands(first, now - 1_000);
    contents.moves();
    expect(contents.now).toBeUndefined();
    contents.stands(second, now + 1_000);
    expect(contents.now).toBe(second);
    expect(contents.between(at(now - 900), at(now - 800))).toBe(first);
    expect(contents.between(at(now + 1_000), at(now + 9_000))).toBe(second);
    for (const [began, ended] of [
      [now - 1_001, now - 500],
      [now - 500, now + 1_500],
      [now + 500, now + 1_500],
    ]) {
      expect(contents.between(at(began!), at(ended!))).toBeUndefined();
    }
  });

  it('differs from what it holds by a sentence for each difference', () => {
    expect(differences(tree('a', 'b'), tree('a', 'b'))).toEqual([]);
    expect(differences(tree('a', 'b'), tree('a'))).toEqual([expect.stringContaining('b: missing')]);
    expect(differences(tree('a'), NOTHING)).toHaveLength(1);
  });

  it('is nothing where there is no file, whether or not there are folders', () => {
    const folders: TreeDescription = new Map([['project', { ...tree('x').get('x')!, type: 'folder' }]]);
    expect(holdsNothing(folders)).toBe(true);
    expect(differences(NOTHING, folders)).toEqual([]);
    expect(holdsNothing(tree('a'))).toBe(false);
  });
});
