import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Disk } from '../host-data/disk.js';
import { DataRootMissingError } from '../host-data/errors.js';
import { EndingNotes } from './ending-notes.js';
import type { Ending } from './operation.js';

const ID = '8eb3f614-e370-8d59-9ef9-c49226b56573';
const ENDING: Ending = { outcome: 'succeeded', result: { backupId: 'b' } };

let root: string;
let notes: EndingNotes;
/** When the data root is away, by the looks at it from now on. */
let looks: ('here' | 'away')[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'buckets-notes-'));
  looks = [];
  notes = new EndingNotes(join(root, 'endings'), new Disk(), () =>
    looks.shift() === 'away' ? Promise.reject(new DataRootMissingError('It is not mounted.')) : Promise.resolve(),
  );
});
afterEach(() => rm(root, { recursive: true }));

describe('the note of an ending', () => {
  it('is there until it is removed', async () => {
    expect(await notes.read(ID)).toBeUndefined();
    await notes.write(ID, ENDING);
    expect(await notes.read(ID)).toEqual(ENDING);
    await notes.remove(ID);
    await notes.remove(ID);
    expect(await notes.read(ID)).toBeUndefined();
  });

  it.each([[['away']], [['here', 'away']]] as const)(
    'is not taken for removed, or for none, while the data root is away: %j',
    async (seen) => {
      await notes.write(ID, ENDING);
      await rename(join(root, 'endings'), join(root, 'away'));
      looks = [...seen];
      await expect(notes.remove(ID)).rejects.toThrow(DataRootMissingError);
      looks = [...seen];
      await expect(notes.read(ID)).rejects.toThrow(DataRootMissingError);
      await rename(join(root, 'away'), join(root, 'endings'));
      await notes.remove(ID);
      expect(await readdir(join(root, 'endings'))).toEqual([]);
    },
  );

  it('is not written into what stands in the place of the data root', async () => {
    looks = ['away'];
    await notes.write(ID, ENDING);
    expect(await readdir(root)).toEqual([]);
  });
});
