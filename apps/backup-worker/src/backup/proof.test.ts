import { describe, expect, it } from '@jest/globals';
import { RepositoryCorrupt, type TreeEntry } from '@buckets/repository';
import fc from 'fast-check';
import { prove, type ProvenBy } from './proof.js';

/** Folders by their tree, as a repository holds them; what was read of it is counted. */
class Trees implements ProvenBy {
  readonly read: string[] = [];
  readonly lengths = new Map<TreeEntry, number>();
  constructor(readonly trees: Record<string, TreeEntry[]>) {}

  async *tree(id: string): AsyncGenerator<readonly TreeEntry[], void, undefined> {
    this.read.push(id);
    const entries = this.trees[id];
    if (id === 'away') throw new Error('the storage does not answer');
    if (entries === undefined) throw new RepositoryCorrupt(id, 'it is missing');
    // In portions, as a large one is read.
    for (const entry of entries) yield [entry];
  }

  contentLength(entry: TreeEntry): Promise<number> {
    return Promise.resolve(this.lengths.get(entry) ?? entry.size);
  }
}

const entry = (name: string, some: Partial<TreeEntry>): TreeEntry =>
  ({
    name: Buffer.from(name),
    mode: 0o100644,
    uid: 1,
    gid: 1,
    mtimeNs: 1n,
    size: 0,
    content: [],
    ...some,
  }) as TreeEntry;
const file = (name: string, size = 5) => entry(name, { type: 'file', size });
const dir = (name: string, subtree?: string) => entry(name, { type: 'dir', subtree });
const roots = [dir('persist', 'empty'), dir('project', 'project')];

describe('a snapshot proves that it can be restored', () => {
  it('by both roots, every folder and every file', async () => {
    const trees = new Trees({ top: roots, empty: [], project: [file('a'), dir('src', 'src')], src: [file('b')] });
    expect(await prove(trees, { tree: 'top' })).toEqual({ changedWhileRead: { total: 0, first: [] } });
    expect(trees.read.toSorted()).toEqual(['empty', 'project', 'src', 'top']);
  });

  it.each([
    ['a root that is gone', { top: [dir('project', 'empty')], empty: [] }, 'project-folder-missing'],
    [
      'a file in the place of a root',
      { top: [file('persist'), dir('project', 'empty')], empty: [] },
      'project-folder-missing',
    ],
    ['a folder without content', { top: roots, empty: [], project: [dir('src')] }, 'repository-damaged'],
    [
      'an entry without a mode',
      { top: roots, empty: [], project: [entry('a', { type: 'fifo', mode: undefined })] },
      'repository-damaged',
    ],
  ])('and does not with %s', async (_, trees, code) => {
    await expect(prove(new Trees(trees), { tree: 'top' })).rejects.toMatchObject({ code });
  });

  it('and does not where a folder cannot be read', async () => {
    await expect(prove(new Trees({ top: roots, empty: [] }), { tree: 'top' })).rejects.toThrow('project is damaged');
  });

  it('and names the files that grew or were cut while they were read, each in a form that can be given back', async () => {
    const [grown, cut] = [file('a log\n', 10), file('cut', 7)];
    const trees = new Trees({ top: roots, empty: [], project: [grown, cut, file('still')] });
    trees.lengths.set(grown, 12).set(cut, 0);
    const { changedWhileRead } = await prove(trees, { tree: 'top' });
    expect(changedWhileRead.total).toBe(2);
    expect(changedWhileRead.first).toEqual([
      { path: '/project/a log\n', reason: 'It had 10 bytes when it was looked at; 12 were read of it.' },
      { path: '/project/cut', reason: 'It had 7 bytes when it was looked at; 0 were read of it.' },
    ]);
  });

  it('by no more than what has changed since one that was proven', async () => {
    const before = {
      top: roots,
      empty: [],
      project: [dir('lib', 'lib'), dir('src', 'src')],
      lib: [file('x')],
      src: [],
    };
    const now = {
      after: [dir('persist', 'empty'), dir('project', 'new')],
      new: [dir('lib', 'lib'), dir('src', 'other')],
      other: [file('b')],
    };
    const trees = new Trees({ ...before, ...now });
    await prove(trees, { tree: 'after' }, { known: 'top' });
    expect(trees.read).not.toContain('lib');
    expect(trees.read).toContain('other');
    const same = new Trees(before);
    await prove(same, { tree: 'top' }, { known: 'top' });
    expect(same.read).toEqual([]);
  });

  it('whatever an earlier one has become', async () => {
    const trees = new Trees({ top: roots, empty: [], project: [file('a')] });
    const told: string[] = [];
    const onDamage = ({ object }: RepositoryCorrupt) => void told.push(object);
    const proof = await prove(trees, { tree: 'top' }, { known: 'gone', onDamage });
    expect(proof).toMatchObject({ changedWhileRead: { total: 0 } });
    expect(trees.read).toContain('project');
    expect(told).toEqual(['gone']);
  });

  it('unless the storage does not answer, which is no damage of an earlier one', async () => {
    const trees = new Trees({ top: roots, empty: [], project: [file('a')] });
    await expect(prove(trees, { tree: 'top' }, { known: 'away' })).rejects.toThrow('does not answer');
  });

  it('and misses no file of another length, however often a folder stands in it', async () => {
    const shape = fc.letrec<{ tree: Shape }>((tie) => ({
      tree: fc.record({
        files: fc.array(fc.boolean(), { maxLength: 3 }),
        folders: fc.oneof({ maxDepth: 3 }, fc.constant<Shape[]>([]), fc.array(tie('tree'), { maxLength: 3 })),
      }),
    })).tree;
    await fc.assert(
      fc.asyncProperty(shape, shape, async (project, persist) => {
        const trees = new Trees({});
        const add = ({ files, folders }: Shape): string => {
          const id = JSON.stringify([files, folders]);
          trees.trees[id] ??= [
            ...folders.map((folder, index) => dir(`d${index}`, add(folder))),
            ...files.map((changed, index) => {
              const made = file(`f${index}`);
              if (changed) trees.lengths.set(made, 6);
              return made;
            }),
          ];
          return id;
        };
        const count = ({ files, folders }: Shape): number =>
          files.filter(Boolean).length + folders.reduce((sum, folder) => sum + count(folder), 0);
        trees.trees['top'] = [dir('persist', add(persist)), dir('project', add(project))];
        const { changedWhileRead } = await prove(trees, { tree: 'top' });
        expect(changedWhileRead.total).toBe(count(project) + count(persist));
      }),
    );
  });
});

interface Shape {
  files: boolean[];
  folders: Shape[];
}
