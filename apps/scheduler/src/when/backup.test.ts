import { describe, expect, it } from '@jest/globals';
import { AFTER_RESTORE_MS, dueAt, dueBackup, type ScheduledProject } from './backup.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BEGAN = Date.parse('2031-05-06T12:00:00.000Z');

const project = (more: Partial<ScheduledProject> = {}): ScheduledProject => ({
  id: 'atlas',
  intervalMinutes: 60,
  provisionedAt: BEGAN - 100 * HOUR,
  freshness: 'stale',
  staleSince: BEGAN,
  statedAt: BEGAN,
  statedEpoch: 'dawn',
  newestBackup: { id: 'b1', beganAt: BEGAN - HOUR, epoch: 'dawn', partial: false },
  lastEnded: null,
  failures: 0,
  restoredSinceNewest: false,
  busy: false,
  ...more,
});
/** Less than a tenth of the interval: where among it depends on the project's id. */
const spread = dueAt(project())! - BEGAN - HOUR;

describe('a backup is due', () => {
  it('when the project has been stale for its interval', () => {
    expect(spread).toBeGreaterThanOrEqual(0);
    expect(spread).toBeLessThan(5 * MINUTE);
    expect(dueBackup(project())).toEqual([
      {
        kind: 'backup',
        key: `atlas/b1/first/${BEGAN - 100 * HOUR}`,
        dueAt: BEGAN + HOUR + spread,
        waitsMs: HOUR + spread,
      },
    ]);
  });

  it('when a provisioned project has never been backed up for its interval', () => {
    const never = project({ freshness: 'never', staleSince: null, newestBackup: null, provisionedAt: BEGAN });
    expect(dueAt(never)).toBe(BEGAN + HOUR + spread);
  });

  it('moments after a restore, which only a backup shows to be what it was', () => {
    const restored = project({ restoredSinceNewest: true, provisionedAt: BEGAN, statedEpoch: 'noon' });
    expect(dueAt(restored)).toBe(BEGAN + AFTER_RESTORE_MS);
    const lastEnded = { operationId: 'o1', at: BEGAN + MINUTE, cancelled: false };
    expect(dueAt({ ...restored, failures: 1, lastEnded })).toBe(BEGAN + 2 * MINUTE);
    expect(dueAt({ ...restored, freshness: 'fresh' })).toBeNull();
  });

  it('at other moments for other projects that changed together', () => {
    const moments = new Set(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => dueAt(project({ id }))));
    expect(moments.size).toBe(6);
  });

  it('within a minute and a tenth for an interval of one minute', () => {
    expect(dueAt(project({ intervalMinutes: 1 }))).toBeLessThanOrEqual(BEGAN + 1.1 * MINUTE);
  });

  it('in time though the clock of its host is a day ahead', () => {
    expect(dueAt(project({ staleSince: BEGAN + 24 * HOUR }))).toBe(BEGAN + HOUR + spread);
  });

  it.each([
    ['fresh', { freshness: 'fresh' as const }],
    ['on a silent host', { freshness: 'unknown' as const }],
    ['not on its host', { provisionedAt: null }],
    ['being backed up', { busy: true }],
  ])('not while the project is %s', (_, state) => {
    expect(dueAt(project(state))).toBeNull();
    expect(dueBackup(project(state))).toEqual([]);
  });
});

describe('another backup waits', () => {
  it('longer after each failure, and some hours at most', () => {
    const retries = [1, 2, 3, 20].map((failures) => {
      const lastEnded = { operationId: 'o1', at: BEGAN + 10 * HOUR, cancelled: false };
      return dueAt(project({ failures, lastEnded }))! - lastEnded.at;
    });
    expect(retries).toEqual([MINUTE, 2 * MINUTE, 4 * MINUTE, 6 * HOUR]);
  });

  it('for the interval after a partial one, which leaves the project as stale as it was', () => {
    const newestBackup = { id: 'b2', beganAt: BEGAN + 5 * HOUR, epoch: 'dawn', partial: true };
    expect(dueAt(project({ newestBackup }))).toBe(BEGAN + 6 * HOUR);
  });

  it('for none that was found in a bucket, of which only the clock of a host says when it began', () => {
    const newestBackup = { id: 'b2', beganAt: null, epoch: 'dawn', partial: true };
    expect(dueAt(project({ newestBackup, statedEpoch: null }))).toBe(BEGAN + HOUR + spread);
  });

  it('for the interval after somebody has cancelled one', () => {
    const lastEnded = { operationId: 'o1', at: BEGAN + 5 * HOUR, cancelled: true };
    expect(dueAt(project({ lastEnded }))).toBe(BEGAN + 6 * HOUR);
  });

  it('for a scan after the host began to watch anew, which may show that nothing changed', () => {
    const watchedAnew = project({ statedEpoch: 'noon', statedAt: BEGAN + 5 * HOUR });
    expect(dueAt(watchedAnew)).toBe(BEGAN + 5 * HOUR + 20 * MINUTE);
  });
});

describe('the key of a request', () => {
  const keyOf = (more: Partial<ScheduledProject> = {}) => dueBackup(project(more))[0]!.key;
  const first = keyOf();

  it('stays the same until a backup operation has ended', () => {
    expect(keyOf({ statedAt: BEGAN + HOUR, staleSince: BEGAN - HOUR })).toBe(first);
    expect(keyOf({ lastEnded: { operationId: 'o1', at: BEGAN, cancelled: false }, failures: 1 })).not.toBe(first);
  });

  it('is another one once other data are there', () => {
    expect(keyOf({ provisionedAt: BEGAN })).not.toBe(first);
  });

  it('differs between projects and backups', () => {
    expect(keyOf({ id: 'borealis' })).not.toBe(first);
    expect(keyOf({ newestBackup: null })).not.toBe(first);
  });
});
