import { beforeEach, expect, it, jest } from '@jest/globals';
import type { LoggedEvent, Retention } from '@buckets/contracts';
import fc from 'fast-check';
import { BackupRow, ProjectRow } from '../tables/rows.js';
import { Counted, counting } from '../tables/testing/counted.js';
import { created, insert, NOON, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { noLongerKept, type KeptBackup } from './no-longer-kept.js';
import { RetentionTables } from './retention-tables.js';

jest.setTimeout(120_000);

const data = trialTables({ patient: true });

beforeEach(async () => {
  await data().query('TRUNCATE scheduler.project, scheduler.backup');
});

const HOUR = 60 * 60_000;

/** A project that keeps some of these. */
async function store(retention: Retention, backups: readonly KeptBackup[]): Promise<void> {
  await data().query('TRUNCATE scheduler.project, scheduler.backup');
  const { project } = rowsAfter('atlas', [created('h1'), ['updated', { retention }]]);
  await data()
    .getRepository(ProjectRow)
    .insert(project as object);
  const rows = backups.map(({ id, ...backup }): BackupRow => ({
    ...{ project_id: 'atlas', id, began_at: backup.beganAt, began_position: backup.beganPosition },
    ...{ recorded_position: backup.recordedPosition, counter: { generation: 1, epoch: 'dawn', n: 1 } },
    ...{ partial_because: [...backup.partialBecause], in_doubt: backup.inDoubt, damaged: backup.damaged },
  }));
  for (let n = 0; n < rows.length; n += 1_000) {
    await data()
      .getRepository(BackupRow)
      .insert(rows.slice(n, n + 1_000) as object[]);
  }
}

async function toDelete(): Promise<string[]> {
  const { backups, retention } = (await new RetentionTables(data()).retained('atlas'))!;
  return noLongerKept(backups, retention);
}

const good = { partialBecause: [], inDoubt: false, damaged: false };

it('whatever the clocks were, one look after the other deletes what is no longer kept, and nothing else', async () => {
  const backups = fc.uniqueArray(
    fc.record({
      id: fc.uuid(),
      beganPosition: fc.nat(100),
      recordedPosition: fc.nat(100_000),
      beganAt: fc.integer({ min: NOON - 60 * 24 * HOUR, max: NOON }),
      partialBecause: fc.subarray(['empty' as const, 'unreadable-files' as const]),
      inDoubt: fc.boolean(),
      damaged: fc.boolean(),
    }),
    { selector: ({ recordedPosition }) => recordedPosition, maxLength: 60 },
  );
  const number = fc.integer({ min: 1, max: 6 });
  const retention = fc
    .record({ last: number, daily: number, weekly: number, monthly: number }, { requiredKeys: [] })
    .filter((kept) => Object.keys(kept).length > 0);
  await fc.assert(
    fc.asyncProperty(backups, retention, async (all, kept) => {
      await store(kept, all);
      const gone: string[] = [];
      for (let some = await toDelete(); some.length > 0; some = await toDelete()) {
        gone.push(...some);
        await data().query('DELETE FROM scheduler.backup WHERE id = ANY ($1::text[])', [some]);
      }
      expect(gone.toSorted()).toEqual(noLongerKept(all, kept).toSorted());
    }),
    { numRuns: 50 },
  );
});

it('a look reads what a retention is about, however many backups there are', async () => {
  const history = (count: number): KeptBackup[] =>
    Array.from({ length: count }, (_, n) => ({
      ...{ id: `b${String(n).padStart(6, '0')}`, beganPosition: 2 * n + 1, recordedPosition: 2 * n + 2 },
      ...{ beganAt: NOON - (count - n) * HOUR, ...good },
    }));
  const read = async (count: number, retention: Retention): Promise<Counted & { first: string }> => {
    await store(retention, history(count));
    await data().query('VACUUM ANALYZE scheduler.backup');
    const counted = new Counted();
    const { backups } = (await new RetentionTables(counting(data(), counted)).retained('atlas'))!;
    const [first] = noLongerKept(backups, retention);
    expect(first).toBe(noLongerKept(history(count), retention)[0]);
    return Object.assign(counted, { first: first! });
  };
  for (const retention of [{ last: 24, daily: 7 }, { last: 3 }, { weekly: 4, monthly: 3 }]) {
    const [few, many] = [await read(1_500, retention), await read(15_000, retention)];
    expect(many.rows).toBeLessThan(3 * few.rows);
    expect(many.rows).toBeLessThan(1_200);
    expect(many.scans).not.toContain('Seq Scan');
  }
});

it('backups that were found in a bucket are thinned out by the days that they say, be these in any year', async () => {
  const days = ['0000-01-01T00:00:00Z', '2031-05-06T12:00:00.123Z', '9999-12-31T23:59:59-12:00'];
  const recordedOf = (beganAt: string, index: number): [LoggedEvent<'project'>['type'], object] => [
    'backup-recorded',
    {
      ...{ backupId: `b${index}`, operationId: 'lost', counter: { generation: 1, epoch: 'dawn', n: 7 } },
      ...{ partialBecause: ['unwitnessed'], recovered: { bucketId: 'b', orderedBy: 'clock' }, beganAt },
    },
  ];
  const events: [LoggedEvent<'project'>['type'], object][] = [
    ['recovered', { generation: 1, bucketId: 'b', backupIntervalMinutes: 60 }],
    ...days.map(recordedOf),
    ['assigned', { hostId: 'h1', generation: 2 }],
    ['updated', { retention: { monthly: 2 } }],
  ];
  await insert(data(), rowsAfter('atlas', events));

  const project = await new RetentionTables(data()).retained('atlas');
  const beganAt = project!.backups.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((backup) => backup.beganAt);
  expect(beganAt).toEqual(days.map((each) => Date.parse(each)));
  expect(noLongerKept(project!.backups, project!.retention)).toEqual(['b0']);
});
