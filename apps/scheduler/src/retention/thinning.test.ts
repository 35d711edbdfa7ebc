import { describe, expect, it } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
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

function thinningOf(
  projects: RetainedProject[],
  request: (projectId: string, backupId: string) => Promise<unknown> = () => Promise.resolve(),
) {
  const asked: { projectId: string; backupId: string; key: string }[] = [];
  const outcomes: string[] = [];
  const control = { position: 10, steady: 0 };
  const thinning = new Thinning({
    tables: {
      retained: ({ after, limit }) => Promise.resolve(projects.filter(({ id }) => id > after).slice(0, limit)),
    },
    position: () => Promise.resolve(control.position),
    request: (command) => {
      asked.push(command);
      return request(command.projectId, command.backupId);
    },
    clock: { now: () => control.steady },
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

  describe('is deleted of all others', () => {
    const names = Array.from({ length: 400 }, (_, n) => `p${1_000 + n}`);
    const broken = new Set(names.slice(0, 300));
    /** How many of the others are thinned by so many ticks, a minute apart, when those first ones never are. */
    const thinnedIn = async (ticks: number, ofBroken: () => Promise<unknown>): Promise<number> => {
      const thinned = new Set<string>();
      const projects = names.map((id) => project(id, 1, 2));
      const { thinning, control } = thinningOf(projects, async (projectId) => {
        if (broken.has(projectId)) return ofBroken();
        thinned.add(projectId);
        const found = projects.find(({ id }) => id === projectId)!;
        found.backups = found.backups.slice(1);
      });
      for (let tick = 0; tick < ticks; tick++) {
        await thinning.tick(NOW + tick * 60_000);
        control.steady += 60_000;
      }
      return thinned.size;
    };

    it('where the first ones are always refused', async () => {
      const refuse = () => Promise.reject(new Refused({ code: 'backup-in-use', detail: 'No.', retry: false }));
      expect(await thinnedIn(10, refuse)).toBe(100);
    });

    it('where what is asked for of the first ones comes to nothing', async () => {
      expect(await thinnedIn(25, () => Promise.resolve())).toBe(100);
    });

    it('where nobody answers for the first ones', async () => {
      expect(await thinnedIn(25, () => Promise.reject(new Unanswered('s', null)))).toBe(100);
    });
  });

  it('is deleted though the oldest of the same project is one that only a person may delete', async () => {
    const last = { code: 'last-good-backup', detail: 'No.', retry: false };
    const { thinning, asked } = thinningOf([project('atlas', 1, 3)], (_, backupId) =>
      backupId === 'atlas-0' ? Promise.reject(new Refused(last)) : Promise.resolve(),
    );
    for (let tick = 0; tick < 4; tick++) await thinning.tick(NOW);
    expect(asked.map(({ backupId }) => backupId)).toEqual(['atlas-0', 'atlas-1']);
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
