import { describe, expect, it } from '@jest/globals';
import type { BackupPartial, UnreadableFile } from '../rustic/index.js';
import { lacksOf, whyPartial } from './lacks.js';

const NONE = { total: 0, first: [] };
const file: UnreadableFile = { path: '/project/a', cause: 'denied', reason: 'Permission denied (os error 13)' };
const partial = (found: Partial<BackupPartial>): BackupPartial => ({
  outcome: 'partial',
  snapshotId: 'ab'.repeat(32),
  summary: {} as BackupPartial['summary'],
  notes: NONE,
  vanished: NONE,
  unreadable: NONE,
  losses: NONE,
  unknown: NONE,
  ...found,
});
const told = (found: Partial<BackupPartial>): string => whyPartial(lacksOf(partial(found)));

describe('what a backup lacks', () => {
  it('is the files that could not be read, by name', () => {
    const lacks = lacksOf(partial({ unreadable: { total: 2, first: [file, file] } }));
    expect(lacks).toEqual({
      partialBecause: ['unreadable-files'],
      unreadable: { total: 2, first: [file, file].map(({ path, reason }) => ({ path, reason })) },
    });
    expect(whyPartial(lacks)).toBe('2 files could not be read, or not whole.');
    expect(told({ unreadable: { total: 1, first: [file] } })).toMatch(/^1 file could/);
  });

  it('counts no message as a file, and names none without a name', () => {
    const lacks = lacksOf(partial({ losses: { total: 1, first: ['a loss'] }, unknown: { total: 1, first: ['news'] } }));
    expect(lacks).toEqual({
      partialBecause: ['unreadable-files', 'unknown-warnings'],
      unreadable: { total: 0, first: [] },
      warnings: { total: 2, first: ['a loss', 'news'] },
    });
    expect(whyPartial(lacks)).toMatch(/^Files that rustic does not name could not be read.*not understood/);
    expect(lacksOf(partial({ unknown: { total: 1, first: ['news'] } })).partialBecause).toEqual(['unknown-warnings']);
  });

  it('is nothing when files have just vanished, which are told all the same', () => {
    const { unreadable: _, losses: __, unknown: ___, ...made } = partial({ vanished: { total: 1, first: [file] } });
    expect(lacksOf({ ...made, outcome: 'succeeded' })).toEqual({
      partialBecause: [],
      unreadable: { total: 0, first: [] },
      vanished: { total: 1, first: [{ path: file.path, reason: file.reason }] },
    });
  });
});
