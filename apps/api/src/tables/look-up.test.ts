import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LoggedEvent, NewEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { actions, clocks, storyOf } from '../project-decisions/testing/backup-stories.js';
import { CHOICE_SORTS, type BackupLook, type Project } from '../state/backups-at-hand.js';
import { WholeProject } from '../state/testing/all-backups.js';
import {
  backedUp,
  doubted,
  event,
  HERE,
  logged,
  READY,
  record,
  requestedEvent,
  snapshot,
} from '../state/testing/given.js';
import { ThingStateRow } from './entities.js';
import { lookUp, statementOf } from './look-up.js';
import { TablesProjection } from './tables-projection.js';
import { project, trialTables } from './testing/trial-tables.js';

jest.setTimeout(90_000);

const data = trialTables();
const projection = new TablesProjection();

beforeEach(async () => {
  await data().transaction((rows) => projection.clear(rows));
});

/** All that a look may find, as the decisions get it. */
function contents({ backups }: Project, look: BackupLook): unknown {
  return {
    ids: look.ids?.map((id) => backups.get(id)),
    deletion: look.deletion === undefined ? undefined : backups.ofDeletion(look.deletion),
    choices: look.choices && CHOICE_SORTS.map((sort) => backups.newest(sort)),
    ...(['inDoubt', 'damaged', 'whole', 'page'] as const).map((which) => look[which] && backups.some(which)),
  };
}

/** Looks of every sort at what may be there, whole and in part. */
function looksAt(whole: WholeProject, most: number): BackupLook[] {
  const ids = [...whole.backups.keys(), snapshot('f')];
  const deletions = new Set(whole.all.flatMap(({ maybeDeletedBy }) => maybeDeletedBy ?? []));
  const after = ids[ids.length >> 1]!;
  return [
    { choices: true },
    { ids },
    { ids: ids.slice(0, 2), inDoubt: most, damaged: most, whole: most, page: { after: '', most } },
    { inDoubt: 1_000, damaged: 1_000, whole: 1_000, page: { after, most: 1_000 } },
    ...[...deletions, ...Object.keys(whole.state!.operations), 'op-none'].map((deletion) => ({ deletion })),
  ];
}

async function expectSame(whole: WholeProject, events: readonly LoggedEvent[], most = 2): Promise<void> {
  for (const look of looksAt(whole, most)) {
    const { state, position } = await lookUp(data(), 'p1', look);
    expect(position).toBe(events.at(-1)!.position);
    expect(contents(state!, look)).toEqual(contents(whole.with(look)!, look));
    const { backups: _, ...folded } = state!;
    expect(folded).toEqual(whole.state);
  }
}

describe('what is looked up of the backups of a project', () => {
  it('is what all that was ever told of them comes to, however the events were cut into batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        actions,
        clocks,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (all, moments, cuts) => {
          await data().transaction((rows) => projection.clear(rows));
          const { log, events } = storyOf(all, moments).story;
          await project(data(), events, cuts);
          await expectSame(log, events);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is the same with backups that were found in the bucket, a word on almost all, and deletions that are open', async () => {
    const found = (digit: number) =>
      event('backup-recorded', {
        ...{ ...record(digit, `op-lost-${digit}`), hostId: HERE.hostId },
        recovered: { bucketId: 'b1', orderedBy: 'clock' },
      });
    const events: NewEvent<'project'>[] = [
      ...[...READY, found(6), ...backedUp(1), ...backedUp(2, { partialBecause: ['shrunken'] }), ...backedUp(3)],
      ...[found(7), ...doubted(2), ...backedUp(4), found(8), found(9)],
      event('backups-damaged', {
        backupIds: [snapshot(3)],
        operationId: 'op-v',
        othersBut: [snapshot(1), snapshot(9)],
      }),
      ...[...backedUp(5), requestedEvent('op-f5', 'forget', { backupId: snapshot(5) })],
      event('backups-healed', { backupIds: [], operationId: 'op-v', othersBut: [snapshot(3), snapshot(7)] }),
      ...[
        requestedEvent('op-f4', 'forget', { backupId: snapshot(4) }),
        ...doubted(9),
        event('changed', { source: 's', at: '' }),
      ],
    ];
    const all = logged(events);
    for (const atOnce of [[1], [5, 3], [1_000]]) {
      await data().transaction((rows) => projection.clear(rows));
      await project(data(), all, atOnce);
      await expectSame(WholeProject.after(all), all, 1);
    }
  });

  it('is nothing where nobody knows the project', async () => {
    expect(await lookUp(data(), 'p1', { choices: true })).toEqual({ state: null, position: 0 });
  });
});

describe('with a long history', () => {
  const MANY = 3_000;
  const id = (n: number) => String(n).padStart(64, '0');
  const found = (n: number, beside = {}) =>
    event('backup-recorded', {
      ...{ ...record(id(n), `op-lost-${n}`), hostId: HERE.hostId, ...beside },
      recovered: { bucketId: 'b1', orderedBy: 'clock' },
    });
  /** The worst that a history may be: all but the first are flagged, in doubt, or damaged, or found in the bucket and one of these. */
  const histories: [string, (n: number) => NewEvent<'project'>[]][] = [
    ['all good', (n) => backedUp(id(n))],
    ['all flagged since the first', (n) => backedUp(id(n), { partialBecause: n === 0 ? [] : ['shrunken'] })],
    ['all damaged since the first', (n) => [...backedUp(id(n)), ...(n === 0 ? [] : [damaged(n)])]],
    ['all in doubt since the first', (n) => [...backedUp(id(n)), ...(n === 0 ? [] : doubted(id(n)))]],
    ['all found', (n) => [found(n)]],
    ['all found, and damaged since the first', (n) => [found(n), ...(n === 0 ? [] : [damaged(n)])]],
    ['all found, and flagged since the first', (n) => [found(n, n === 0 ? {} : { partialBecause: ['shrunken'] })]],
    ['all found, and in doubt since the first', (n) => [found(n), ...(n === 0 ? [] : doubted(id(n)))]],
  ];
  const damaged = (n: number) => event('backups-damaged', { backupIds: [id(n)], operationId: 'op-v' });

  it.each(histories)(
    'a decision reads a bounded number of rows, and the state has a bounded size: %s',
    async (_, history) => {
      const events = logged([...READY, ...Array.from({ length: MANY }, (_each, n) => history(n)).flat()]);
      await project(data(), events, [500]);
      // As Postgres does by itself, within a minute after so many rows are new.
      await data().query('ANALYZE api.backup');
      const looks: BackupLook[] = [
        { choices: true },
        { ids: [id(0), id(7), id(MANY)] },
        { deletion: 'op-none', inDoubt: 20 },
        { deletion: `op-f${id(MANY >> 1)}` },
        { damaged: 10, whole: 10, page: { after: id(MANY >> 1), most: 10 } },
      ];
      for (const look of looks) {
        const { sql, values } = statementOf('p1', look);
        const [row] = await data().query<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
          values,
        );
        expect(rowsRead(row!['QUERY PLAN'][0].Plan)).toBeLessThan(100);
      }
      const { state } = await data().getRepository(ThingStateRow).findOneByOrFail({ id: 'p1' });
      const few = WholeProject.after(logged([...READY, ...backedUp(1)])).state;
      expect(JSON.stringify(state).length).toBeLessThan(JSON.stringify(few).length + 200);
    },
  );
});

interface Plan {
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** Rows that any part of it has looked at. */
function rowsRead(plan: Plan): number {
  const { Plans = [], 'Actual Rows': rows, 'Actual Loops': loops, 'Rows Removed by Filter': removed = 0 } = plan;
  return Math.max((rows + removed) * loops, ...Plans.map(rowsRead));
}
