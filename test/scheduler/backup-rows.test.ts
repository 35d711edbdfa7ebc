import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LoggedEvent, NewEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { actions, clocks, storyOf } from '../../apps/api/src/project-decisions/testing/backup-stories.js';
import { WholeProject } from '../../apps/api/src/state/testing/all-backups.js';
import { backedUp, doubted, event, logged, READY, snapshot } from '../../apps/api/src/state/testing/given.js';
import { BoundedLists1796100000000 } from '../../apps/scheduler/src/tables/bounded-lists.migration.js';
import { DueWorkAnew1796300000000 } from '../../apps/scheduler/src/tables/due-work-anew.migration.js';
import { DueWork1796200000000 } from '../../apps/scheduler/src/tables/due-work.migration.js';
import { BackupRow, ProjectRow } from '../../apps/scheduler/src/tables/rows.js';
import { SchedulerProjection } from '../../apps/scheduler/src/tables/scheduler-projection.js';
import { trialTables } from '../../apps/scheduler/src/tables/testing/trial-tables.js';

jest.setTimeout(90_000);

const data = trialTables();
const projection = new SchedulerProjection();
const clear = () => data().transaction((rows) => projection.clear(rows));

async function project(events: readonly LoggedEvent<'project'>[], atOnce: readonly number[]): Promise<void> {
  for (let from = 0, turn = 0; from < events.length; turn++) {
    const some = events.slice(from, from + atOnce[turn % atOnce.length]!);
    from += some.length;
    await data().transaction((rows) => projection.apply({ messages: [], events: some }, rows));
  }
}

/** What the scheduler's tables say of the backups, and of how many a deletion may have removed. */
async function rows() {
  const backups = await data()
    .getRepository(BackupRow)
    .find({ order: { id: 'ASC' } });
  const [about] = await data().getRepository(ProjectRow).find();
  return {
    backups: backups.map(({ id, in_doubt, damaged, partial_because }) => ({ id, in_doubt, damaged, partial_because })),
    inDoubt: about!.in_doubt,
    isSinceKnown: about!.doubts_since !== null,
  };
}

/** What the API knows of the same. */
function expected({ all }: WholeProject) {
  const backups = all.map(({ id, maybeDeletedBy, damagedPosition, partialBecause }) => ({
    ...{ id, in_doubt: maybeDeletedBy !== undefined, damaged: damagedPosition !== undefined },
    partial_because: partialBecause,
  }));
  const inDoubt = backups.filter(({ in_doubt }) => in_doubt).length;
  return { backups: backups.toSorted((a, b) => (a.id < b.id ? -1 : 1)), inDoubt, isSinceKnown: inDoubt > 0 };
}

describe("the scheduler's rows of backups", () => {
  beforeEach(clear);

  it('say what the API knows of them, however the events were cut into batches', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(actions, clocks, cuts, async (all, moments, atOnce) => {
        await clear();
        const { log, events } = storyOf(all, moments).story;
        await project(events, atOnce);
        expect(await rows()).toEqual(expected(log));
      }),
      { numRuns: 20 },
    );
  });

  const story: NewEvent<'project'>[] = [
    ...[...READY, ...backedUp(1), ...backedUp(2), ...backedUp(3), ...doubted(3)],
    event('backups-damaged', { backupIds: [snapshot(1)], operationId: 'op-v', othersBut: [snapshot(3)] }),
    ...[...backedUp(4), event('backups-damaged', { backupIds: [snapshot(4)], operationId: 'op-v' })],
  ];
  const healed = event('backups-healed', { backupIds: [], operationId: 'op-v', othersBut: [snapshot(2)] });

  it.each([[[1]], [[7, 2]], [[1_000]]])('hear a word on almost all backups, in batches of %j', async (atOnce) => {
    for (const events of [logged(story), logged([...story, healed, ...backedUp(5)])]) {
      await clear();
      await project(events, atOnce);
      expect(await rows()).toEqual(expected(WholeProject.after(events)));
    }
  });

  it('are carried back to tables with lists in them, and made anew from these', async () => {
    await project(logged(story), [1_000]);
    const runner = data().createQueryRunner();
    const migrations = [new BoundedLists1796100000000(), new DueWork1796200000000(), new DueWorkAnew1796300000000()];
    try {
      for (const migration of migrations.toReversed()) await migration.down(runner);
      expect(await runner.query('SELECT in_doubt, damaged FROM scheduler.project')).toEqual([
        { in_doubt: [snapshot(3)], damaged: expect.arrayContaining([1, 2, 4].map(snapshot)) },
      ]);
      for (const migration of migrations) await migration.up(runner);
    } finally {
      await runner.release();
    }
    await project(logged(story), [1_000]);
    expect(await rows()).toEqual(expected(WholeProject.after(logged(story))));
  });
});
