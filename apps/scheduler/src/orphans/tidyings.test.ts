import { describe, expect, it } from '@jest/globals';
import { Refused } from '@buckets/log';
import { DOUBT_MS, MARGIN_MS, type DoubtfulProject, type OrphanedProject } from './due-tidyings.js';
import { Tidyings } from './tidyings.js';

const ENDED = Date.parse('2031-05-06T12:00:00.000Z');
const GRACE = 24 * 60 * 60_000;
const DUE = ENDED + GRACE + 2 * MARGIN_MS;
const MINUTE = 60_000;

function tidyingsOf(
  projects: OrphanedProject[],
  request: (id: string) => Promise<unknown> = () => Promise.resolve(),
  doubtful: DoubtfulProject[] = [],
) {
  const asked: string[] = [];
  const control = { position: 10, steady: 0 };
  const tidyings = new Tidyings({
    tables: {
      orphaned: ({ before, after, limit }) =>
        Promise.resolve(
          projects.filter(({ id, orphansSince }) => id > after && orphansSince <= before).slice(0, limit),
        ),
      doubtful: ({ before, after, limit }) =>
        Promise.resolve(doubtful.filter(({ id, doubtsSince }) => id > after && doubtsSince <= before).slice(0, limit)),
    },
    position: () => Promise.resolve(control.position),
    request: ({ projectId }) => {
      asked.push(projectId);
      return request(projectId);
    },
    clock: { now: () => control.steady },
    log: { warn: () => undefined },
    tickMs: 1_000,
    graceMs: GRACE,
  });
  return { tidyings, asked, control };
}
const refused = (code: string) => () => Promise.reject(new Refused({ code, detail: 'No.', retry: false }));
const atlas = { id: 'atlas', orphansSince: ENDED };

describe('a repository that may hold orphans', () => {
  it('is tidied when their grace period has passed, and the request not repeated before the tables can show it', async () => {
    const { tidyings, asked, control } = tidyingsOf([atlas]);
    await tidyings.tick(ENDED + GRACE);
    expect(asked).toEqual([]);
    await tidyings.tick(DUE);
    control.steady += MINUTE - 1;
    await tidyings.tick(DUE);
    expect(asked).toEqual(['atlas']);
    control.steady += 1;
    await tidyings.tick(DUE);
    expect(asked).toEqual(['atlas', 'atlas']);
  });

  it('is left alone for hours where the control plane knows of no repository, as there may be one then', async () => {
    const { tidyings, asked, control } = tidyingsOf([atlas], refused('no-repository'));
    await tidyings.tick(DUE);
    control.steady += 6 * 60 * MINUTE - 1;
    await tidyings.tick(DUE);
    expect(asked).toEqual(['atlas']);
    control.steady += 1;
    await tidyings.tick(DUE);
    expect(asked).toEqual(['atlas', 'atlas']);
  });

  it('is asked for hours later when it was refused, and others meanwhile', async () => {
    const { tidyings, asked, control } = tidyingsOf([atlas, { ...atlas, id: 'b' }], (id) =>
      id === 'atlas' ? refused('too-many-operations')() : Promise.resolve(),
    );
    await tidyings.tick(DUE);
    control.steady += 59 * MINUTE;
    await tidyings.tick(DUE);
    expect(asked).toEqual(['atlas', 'b', 'b']);
  });

  it('is one of few at once, and not asked for by tables that are behind', async () => {
    const { tidyings, asked, control } = tidyingsOf(
      Array.from({ length: 600 }, (_, index) => ({ id: `p-${1000 + index}`, orphansSince: ENDED })),
    );
    await tidyings.tick(DUE);
    expect(asked).toHaveLength(5);
    control.position = 5;
    await tidyings.tick(DUE);
    expect(asked).toHaveLength(5);
    control.position = 10;
    await tidyings.tick(DUE);
    expect(new Set(asked).size).toBe(10);
  });
});

describe('a repository in which a backup may be missing', () => {
  const boreas = { id: 'boreas', doubtsSince: ENDED };

  it('is looked through a minute after, long before orphans would be', async () => {
    const { tidyings, asked } = tidyingsOf([atlas], undefined, [boreas]);
    await tidyings.tick(ENDED + DOUBT_MS - 1);
    expect(asked).toEqual([]);
    await tidyings.tick(ENDED + DOUBT_MS);
    await tidyings.tick(ENDED + DOUBT_MS);
    expect(asked).toEqual(['boreas']);
  });

  it('is not kept waiting by many others with orphans, nor the other way round', async () => {
    const many = Array.from({ length: 9 }, (_, index) => `p-${index}`);
    const { tidyings, asked } = tidyingsOf(
      many.map((id) => ({ id, orphansSince: ENDED })),
      undefined,
      many.map((id) => ({ id: `q${id}`, doubtsSince: ENDED })),
    );
    await tidyings.tick(DUE);
    const five = many.slice(0, 5);
    expect(asked).toEqual([...five.map((id) => `q${id}`), ...five]);
  });

  it('is looked through again after a look in vain', async () => {
    const doubtful = [{ ...boreas }];
    const { tidyings, asked } = tidyingsOf([], undefined, doubtful);
    await tidyings.tick(ENDED + DOUBT_MS);
    doubtful[0]!.doubtsSince = ENDED + 2 * DOUBT_MS;
    await tidyings.tick(ENDED + 3 * DOUBT_MS);
    expect(asked).toEqual(['boreas', 'boreas']);
  });
});
