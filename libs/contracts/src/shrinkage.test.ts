import { describe, expect, it } from '@jest/globals';
import { suspiciousLoss } from './shrinkage.js';

describe('a backup that holds suspiciously less than the one before', () => {
  it.each([
    ['is nothing strange where there was no backup before', { files: 0, bytes: 0 }, undefined, []],
    ['is nothing strange where the backup before was empty too', { files: 0, bytes: 0 }, { files: 0, bytes: 0 }, []],
    ['is empty when every file is gone', { files: 0, bytes: 0 }, { files: 10, bytes: 1000 }, ['empty']],
    ['is empty even if all files before had no bytes', { files: 0, bytes: 0 }, { files: 10, bytes: 0 }, ['empty']],
    [
      'is shrunken when nine tenths of the bytes are gone',
      { files: 9, bytes: 100 },
      { files: 10, bytes: 1000 },
      ['shrunken'],
    ],
    ['is fine just above that', { files: 1, bytes: 101 }, { files: 10, bytes: 1000 }, []],
    ['is fine when files without bytes come and go', { files: 1, bytes: 0 }, { files: 10, bytes: 0 }, []],
    ['is fine when it grew', { files: 20, bytes: 5000 }, { files: 10, bytes: 1000 }, []],
  ] as const)('%s', (_, now, before, expected) => {
    expect(suspiciousLoss(now, before)).toEqual(expected);
  });
});
