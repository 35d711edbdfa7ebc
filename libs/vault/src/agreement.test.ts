import { describe, expect, it } from '@jest/globals';
import { nextStep } from './agreement.js';
import type { CopyState, RowState } from './agreement.js';

const ROWS: readonly RowState[] = ['absent', 'unconfirmed', 'confirmed', 'erased'];
const COPIES: readonly CopyState[] = ['absent', 'same', 'different', 'erased', 'unreadable'];

const steps = (rows: readonly RowState[], copies: readonly CopyState[]): readonly string[] => [
  ...new Set(rows.flatMap((row) => copies.map((copy) => nextStep(row, copy)))),
];

describe("the two places of a project's keys", () => {
  it('get new keys only where neither has any', () => {
    const creating = ROWS.flatMap((row) =>
      COPIES.filter((copy) => nextStep(row, copy) === 'create-keys').map((copy) => [row, copy]),
    );
    expect(creating).toEqual([['absent', 'absent']]);
  });

  it('agree only when both have the same keys and know it, or both a tombstone', () => {
    const agreed = ROWS.flatMap((row) =>
      COPIES.filter((copy) => nextStep(row, copy) === 'done').map((copy) => [row, copy]),
    );
    expect(agreed).toEqual([
      ['confirmed', 'same'],
      ['erased', 'erased'],
    ]);
  });

  it("take the bucket's keys when the database lost its own, or made some that nobody has used", () => {
    expect(steps(['absent', 'unconfirmed'], ['different'])).toEqual(['take-copy']);
  });

  it('never exchange keys that are in use', () => {
    expect(nextStep('confirmed', 'different')).toBe('refuse');
    expect(nextStep('confirmed', 'absent')).toBe('write-copy');
  });

  it('never have anything but a tombstone written over a copy', () => {
    expect(steps(['absent', 'unconfirmed', 'confirmed'], ['same', 'different', 'unreadable'])).not.toEqual(
      expect.arrayContaining(['erase-copy']),
    );
    expect(steps(['absent', 'unconfirmed', 'confirmed'], ['unreadable'])).toEqual(['refuse']);
  });

  it('are both erased once either is', () => {
    expect(steps(['absent', 'unconfirmed', 'confirmed'], ['erased'])).toEqual(['erase-row']);
    expect(steps(['erased'], ['absent', 'same', 'different', 'unreadable'])).toEqual(['erase-copy']);
  });
});
