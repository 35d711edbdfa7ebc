import { describe, expect, it } from '@jest/globals';
import { longestOverdue, ScanSchedule } from './scan-schedule.js';

const [NOW, EVERY_MS] = [1_000_000, 900_000];
const about = { now: NOW, everyMs: EVERY_MS, chance: 0.5 };

describe('the next scan of a project', () => {
  it('is due at once when nothing was looked at, and then in its time, give or take a tenth', () => {
    const schedule = new ScanSchedule(NOW);
    expect(schedule.nextAt).toBe(NOW);
    for (const [chance, times] of [
      [0, 0.9],
      [0.5, 1],
      [1, 1.1],
    ] as const) {
      schedule.ended('same', { ...about, chance });
      expect(schedule.nextAt - NOW).toBeCloseTo(EVERY_MS * times);
    }
  });

  it('comes soon after one that was disturbed, and later each time that is so again', () => {
    const schedule = new ScanSchedule(NOW);
    const waits = ['moved', 'moved', 'moved', 'same', 'moved'].map((outcome) => {
      schedule.ended(outcome as 'moved' | 'same', about);
      return schedule.nextAt - NOW;
    });
    expect(waits).toEqual([10_000, 20_000, 40_000, EVERY_MS, 10_000]);
  });

  it('is never later for having been disturbed', () => {
    const schedule = new ScanSchedule(NOW);
    for (let i = 0; i < 2_000; i++) schedule.ended('moved', about);
    expect(schedule.nextAt).toBe(NOW + EVERY_MS);
  });

  it('comes in its time after one that could not be done', () => {
    const schedule = new ScanSchedule(NOW);
    schedule.ended(undefined, about);
    expect(schedule.nextAt).toBe(NOW + EVERY_MS);
  });

  it('comes soon after trouble with the watcher, unless it comes sooner anyway', () => {
    const schedule = new ScanSchedule(NOW);
    schedule.soon(NOW);
    expect(schedule.nextAt).toBe(NOW);
    schedule.ended('same', about);
    schedule.soon(NOW);
    expect(schedule.nextAt).toBe(NOW + 5_000);
    schedule.atOnce(NOW + 1);
    expect(schedule.nextAt).toBe(NOW + 1);
  });
});

describe('the next project to be scanned', () => {
  const dueAt = (at: number) => ({ schedule: new ScanSchedule(at) });

  it('is the longest overdue', () => {
    const [first, ...others] = [dueAt(3), dueAt(5), dueAt(4), dueAt(3)];
    expect(longestOverdue([...others.slice(0, 2), first!, others[2]!], 10)).toBe(first);
  });

  it('is none before one is due', () => {
    expect(longestOverdue([dueAt(3), dueAt(5)], 2)).toBeUndefined();
    expect(longestOverdue([], 2)).toBeUndefined();
  });
});
