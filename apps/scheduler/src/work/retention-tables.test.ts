import { expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { insert, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { noLongerKept } from './no-longer-kept.js';
import { RetentionTables } from './retention-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

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
