import { describe, expect, it } from '@jest/globals';
import { newestFirst, type ChangeReport, type LoggedEvent } from '@buckets/contracts';
import { freshnessOf } from '@buckets/freshness';
import fc from 'fast-check';
import { backupToRestore } from '../../apps/api/src/state/backups-at-hand.js';
import { backupsInDoubt } from '../../apps/api/src/state/testing/given.js';
import { actions, clocks, storyOf } from '../../apps/api/src/project-decisions/testing/backup-stories.js';
import { noLongerKept } from '../../apps/scheduler/src/work/no-longer-kept.js';
import { evolve, type ProjectRows } from '../../apps/scheduler/src/tables/evolve.js';

/*
 * The scheduler chooses on tables of its own, made from the same log as the state that the API decides on.
 */

const HOURS = 3_600_000;
const BEGAN = Date.parse('2031-02-03T04:05:06.789Z');

/** The scheduler's rows; some hours pass between one event and the next. */
function rowsOf(events: readonly LoggedEvent<'project'>[]): ProjectRows {
  const timed = events.map((event) => ({ ...event, time: new Date(BEGAN + event.position * 7 * HOURS).toISOString() }));
  return timed.reduce<ProjectRows | null>((rows, event) => evolve(rows, event as LoggedEvent<'project'>), null)!;
}

const backupsOf = ({ backups }: ProjectRows) =>
  [...backups.values()]
    .filter((row) => row !== null)
    .map((row) => ({
      ...{ id: row.id, backupId: row.id, beganAt: row.began_at, counter: row.counter },
      ...{ beganPosition: row.began_position, recordedPosition: row.recorded_position },
      ...{ partialBecause: row.partial_because, inDoubt: row.in_doubt, damaged: row.damaged },
    }));

const number = fc.integer({ min: 1, max: 5 });
const retention = fc.record({ last: number, daily: number, weekly: number, monthly: number }, { requiredKeys: [] });

describe('whatever becomes of a project and its backups', () => {
  it('the scheduler knows of them what the API knows, and wants none deleted that a start would restore', () => {
    fc.assert(
      fc.property(actions, clocks, retention, (all, moments, kept) => {
        const { log, project, events } = storyOf(all, moments).story;
        const rows = rowsOf(events);
        const known = log.all.map(({ id, beganPosition, recordedPosition, partialBecause, ...of }) => ({
          ...{ id, beganPosition, recordedPosition, partialBecause },
          ...{ inDoubt: of.maybeDeletedBy !== undefined, damaged: of.damagedPosition !== undefined },
        }));
        expect(newestFirst(backupsOf(rows))).toMatchObject(newestFirst(known));
        expect(rows.project.doubts_since === null).toBe(backupsInDoubt(project).length === 0);
        const gone = noLongerKept(backupsOf(rows), kept);
        expect(gone).not.toContain(backupToRestore(project));
        for (const id of backupsInDoubt(project)) expect(gone).not.toContain(id);
      }),
      { numRuns: 150 },
    );
  });

  it('the clocks of hosts choose nothing that is kept, and nothing that is fresh', () => {
    fc.assert(
      fc.property(actions, clocks, clocks, retention, (all, some, others, kept) => {
        const chosen = [some, others].map((moments) => {
          const backups = backupsOf(rowsOf(storyOf(all, moments).story.events));
          const counter = { generation: 2, epoch: 'dawn', n: 1 };
          const report = { counter, sameAs: [], firstChanges: [], at: BEGAN } as unknown as ChangeReport;
          const about = { generation: 2, provisioned: true, createdAt: BEGAN, outsideChanges: [] };
          const seen = { report, hostSeenAt: BEGAN, silenceLimitMs: HOURS };
          return [noLongerKept(backups, kept), freshnessOf({ ...about, ...seen, backups }, BEGAN)];
        });
        expect(chosen[0]).toEqual(chosen[1]);
      }),
      { numRuns: 150 },
    );
  });

  it('a project is fresh by a backup that is there, and of which nothing is lost', () => {
    fc.assert(
      fc.property(actions, clocks, (all, moments) => {
        const { story } = storyOf(all, moments);
        const backups = backupsOf(rowsOf(story.events));
        const counter = { generation: 2, epoch: 'dawn', n: 1 };
        const report = { counter, sameAs: [], firstChanges: [], at: BEGAN } as unknown as ChangeReport;
        const about = { generation: 2, provisioned: true, createdAt: BEGAN, outsideChanges: [], backups };
        const { coveredBy } = freshnessOf({ ...about, report, hostSeenAt: BEGAN, silenceLimitMs: HOURS }, BEGAN);
        if (coveredBy !== undefined)
          expect(story.made.find(({ id }) => id === coveredBy)).toMatchObject({ isThere: true, lost: false });
      }),
      { numRuns: 150 },
    );
  });
});
