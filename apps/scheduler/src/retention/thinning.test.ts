import { describe, expect, it } from '@jest/globals';
import { Refused } from '@buckets/log';
import type { RetainedProject } from './retention-tables.js';
import { Thinning } from './thinning.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');

const project = (id: string, last: number, count: number): RetainedProject => ({
  id,
  retention: { last },
  backups: Array.from({ length: count }, (_, n) => ({
    id: `${id}-${n}`,
    beganAt: NOW - (count - n) * 60_000,
    beganPosition: n,
    recordedPosition: n,
    partialBecause: [],
    inDoubt: false,
    damaged: false,
  })),
});

function thinningOf(projects: RetainedProject[], request: () => Promise<unknown> = () => Promise.resolve()) {
  const asked: { projectId: string; backupId: string; key: string }[] = [];
  const outcomes: string[] = [];
  const control = { position: 10 };
  const thinning = new Thinning({
    tables: {
      retained: ({ after, limit }) => Promise.resolve(projects.filter(({ id }) => id > after).slice(0, limit)),
    },
    position: () => Promise.resolve(control.position),
    request: (command) => {
      asked.push(command);
      return request();
    },
    log: { warn: () => undefined },
    ended: (outcome) => outcomes.push(outcome),
    tickMs: 1_000,
  });
  return { thinning, asked, outcomes, control };
}

describe('what a retention keeps no longer', () => {
  it('is deleted one after the other, the oldest first, under a key of the day', async () => {
    const { thinning, asked } = thinningOf([project('atlas', 2, 4), project('boreas', 2, 2)]);
    await thinning.tick(NOW);
    expect(asked).toEqual([{ projectId: 'atlas', backupId: 'atlas-0', key: 'atlas/retention/atlas-0/2031-05-06' }]);
  });

  it('is left for the next tick where there are too many projects with such', async () => {
    const many = Array.from({ length: 230 }, (_, n) => project(`p${String(n).padStart(3, '0')}`, 1, n < 200 ? 1 : 2));
    const { thinning, asked } = thinningOf(many);
    await thinning.tick(NOW);
    expect(asked.map(({ projectId }) => projectId)).toEqual(many.slice(200, 220).map(({ id }) => id));
  });

  it('is not looked for in tables that were put back', async () => {
    const { thinning, asked, control } = thinningOf([project('atlas', 1, 2)]);
    await thinning.tick(NOW);
    control.position = 9;
    await thinning.tick(NOW);
    expect(asked).toHaveLength(1);
  });

  it('stays where that is refused, and is counted', async () => {
    const refuse = (retry: boolean) => () => Promise.reject(new Refused({ code: 'no', detail: 'No.', retry }));
    const projects = [project('atlas', 1, 2), project('boreas', 1, 2)];
    for (const [retry, outcome] of [
      [false, 'refused'],
      [true, 'failed'],
    ] as const) {
      const { thinning, outcomes } = thinningOf(projects, refuse(retry));
      await thinning.tick(NOW);
      expect(outcomes).toEqual([outcome, outcome]);
    }
  });
});
