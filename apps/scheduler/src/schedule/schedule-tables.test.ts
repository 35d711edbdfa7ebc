import { expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { ProjectRow } from '../tables/rows.js';
import { insert, NOON, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { AFTER_RESTORE_MS, dueAt } from './due-backups.js';
import { ScheduleTables } from './schedule-tables.js';

jest.setTimeout(60_000);

const HOUR = 60 * 60_000;
const data = trialTables();

it('a backup that was found in a bucket puts the next one off by no clock of a host', async () => {
  const events: [LoggedEvent<'project'>['type'], object][] = [
    ['recovered', { generation: 1, bucketId: 'b', backupIntervalMinutes: 60 }],
    [
      'backup-recorded',
      {
        ...{ backupId: 'b1', operationId: 'lost', counter: { generation: 1, epoch: 'dawn', n: 7 } },
        ...{ partialBecause: ['unwitnessed'], recovered: { bucketId: 'b', orderedBy: 'clock' } },
        beganAt: new Date(NOON + 365 * 24 * HOUR).toISOString(),
      },
    ],
    ['assigned', { hostId: 'h1', generation: 2 }],
    ['provisioned', { generation: 2 }],
    ['freshness-changed', { freshness: 'stale', staleSince: new Date(NOON).toISOString(), reason: 'It changed.' }],
  ];
  await insert(data(), rowsAfter('atlas', events));

  const [project] = await new ScheduleTables(data()).unprotected({ now: NOON + 2 * HOUR, after: '', limit: 10 });
  expect(project).toMatchObject({ id: 'atlas', newestBackup: { id: 'b1', partial: true } });
  expect(dueAt(project!)).toBeLessThan(NOON + 2 * HOUR);
});

it('a project that was restored since its newest backup is due moments later, whatever its interval', async () => {
  const stale = { freshness: 'stale' as const, stale_since: NOON, stated_at: NOON, provisioned_at: NOON };
  const [before] = await data().getRepository(ProjectRow).find();
  const row = { ...before, ...stale, id: 'restored', backup_interval_minutes: 600, restored_position: 9 };
  await data()
    .getRepository(ProjectRow)
    .insert([row, { ...row, id: 'not-restored', restored_position: null }] as object[]);
  const dueBy = async (now: number) =>
    (await new ScheduleTables(data()).unprotected({ now, after: 'b', limit: 10 })).map(({ id }) => id);
  expect(await dueBy(NOON + AFTER_RESTORE_MS - 1)).toEqual([]);
  expect(await dueBy(NOON + AFTER_RESTORE_MS)).toEqual(['restored']);
});
