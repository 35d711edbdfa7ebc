import { describe, expect, it } from '@jest/globals';
import { Front } from './front.js';

/** A look at a moment of a steady clock that takes so long, and finds this first. @returns from where on it looked */
function look(front: Front, at: number, tookMs: number, first?: number): number {
  const from = front.from(at);
  front.looked({ from, beganAt: at, endedAt: at + tookMs, ...(first === undefined ? {} : { first }) });
  return from;
}

describe('a look for what is due', () => {
  it('is at all of it as long as that is quick', () => {
    const front = new Front();
    for (const at of [0, 1_000, 2_000]) expect(look(front, at, 90, 5)).toBe(-Infinity);
  });

  it('begins at the first of the one before where that took long, and is at all of it for a tenth of the time', () => {
    const front = new Front();
    expect(look(front, 0, 2_000, 50)).toBe(-Infinity);
    expect(look(front, 2_000, 10, 70)).toBe(50);
    expect(look(front, 21_000, 10, 60)).toBe(70);
    expect(look(front, 22_000, 2_000, 40)).toBe(-Infinity);
    expect(look(front, 25_000, 10, 40)).toBe(40);
  });

  it('goes on from there where one at all of it came to no end', () => {
    const front = new Front();
    look(front, 0, 2_000, 50);
    expect(look(front, 30_000, 4_000)).toBe(-Infinity);
    expect(look(front, 35_000, 10, 60)).toBe(50);
    expect(look(front, 74_000, 4_000)).toBe(-Infinity);
  });
});
