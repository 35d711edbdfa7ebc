import { describe, expect, it } from '@jest/globals';
import { Refused } from '@buckets/log';
import type { DueItem } from '../due/due-tables.js';
import { deletions } from './deletions.js';
import type { RetainedProject } from './retention-tables.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const ITEM = { thingId: 'atlas', subject: '', lane: 'h1', key: 'atlas/retention/7', readyAt: NOW } as DueItem;

const project = (last: number, count: number): RetainedProject => ({
  position: 9,
  retention: { last },
  backups: Array.from({ length: count }, (_, n) => ({
    ...{ id: `b${n}`, beganAt: NOW - (count - n) * 60_000, beganPosition: n, recordedPosition: n },
    ...{ partialBecause: [], inDoubt: false, damaged: false },
  })),
});

function thinningOf(project: RetainedProject | null, request: (backupId: string) => Promise<unknown>) {
  const asked: string[] = [];
  const work = deletions(
    ({ projectId, backupId, key, asOf }) => {
      asked.push([projectId, backupId, key, asOf].join(' '));
      return request(backupId);
    },
    { retained: () => Promise.resolve(project) },
  );
  return { carryOut: () => work.carryOut(ITEM, NOW), asked };
}
const accept = () => Promise.resolve();
const refuse = (code: string) => Promise.reject(new Refused({ code, detail: 'No.', retry: false }));

describe('what a retention keeps no longer', () => {
  it('is deleted one after the other, the oldest first, under the key of the work', async () => {
    const { carryOut, asked } = thinningOf(project(2, 4), accept);
    expect(await carryOut()).toBe('requested');
    expect(asked).toEqual(['atlas b0 atlas/retention/7/b0 9']);
  });

  it('is nothing where all is kept', async () => {
    for (const kept of [project(4, 4), null]) {
      const { carryOut, asked } = thinningOf(kept, accept);
      expect(await carryOut()).toBe('nothing-to-do');
      expect(asked).toEqual([]);
    }
  });

  it('is deleted though the oldest is one that only a person may delete', async () => {
    const { carryOut, asked } = thinningOf(project(1, 3), (id) =>
      id === 'b0' ? refuse('last-good-backup') : accept(),
    );
    expect(await carryOut()).toBe('requested');
    expect(asked.map((each) => each.split(' ')[1])).toEqual(['b0', 'b1']);
  });

  it('stays where that is refused, and is asked for a few times at most', async () => {
    const inUse = thinningOf(project(1, 3), () => refuse('backup-in-use'));
    await expect(inUse.carryOut()).rejects.toMatchObject({ code: 'backup-in-use' });
    expect(inUse.asked).toHaveLength(1);
    const kept = thinningOf(project(1, 30), () => refuse('last-good-backup'));
    await expect(kept.carryOut()).rejects.toMatchObject({ code: 'last-good-backup' });
    expect(kept.asked).toHaveLength(5);
  });
});
