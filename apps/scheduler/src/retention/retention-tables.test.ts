import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { openSchedulerDatabase } from '../tables/database.js';
import { evolve, type ProjectRows } from '../tables/evolve.js';
import { BackupRow, ProjectRow } from '../tables/rows.js';
import { noLongerKept } from './no-longer-kept.js';
import { RetentionTables } from './retention-tables.js';

jest.setTimeout(60_000);

let parts: RealParts;
let data: DataSource;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
  data = await openSchedulerDatabase({ url: parts.infrastructure.postgresUrl, connections: 2 });
});
afterAll(async () => {
  await data?.destroy();
  await parts.stop();
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
  const time = '2031-05-06T12:00:00.000Z';
  const rows = events.reduce<ProjectRows | null>((before, [type, about], index) => {
    const event = { thing: 'project', id: 'atlas', type, data: about, position: index + 1, messageId: '', time };
    return evolve(before, event as LoggedEvent<'project'>);
  }, null)!;
  await data.getRepository(ProjectRow).insert(rows.project as object);
  await data.getRepository(BackupRow).insert([...rows.backups.values()] as object[]);

  const [project] = await new RetentionTables(data).retained({ after: '', limit: 10 });
  const beganAt = project!.backups.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((backup) => backup.beganAt);
  expect(beganAt).toEqual(days.map((each) => Date.parse(each)));
  expect(noLongerKept(project!.backups, project!.retention)).toEqual(['b0']);
});
