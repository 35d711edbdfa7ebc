import { managerOf } from '@buckets/real-parts';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAM, subjects, type BackupRecorded, type NewEvent } from '@buckets/contracts';
import { connectToNats, Log } from '@buckets/log';
import { until } from '@buckets/patience';
import { EU, Product } from './running/product.js';
import { snapshotsOf } from './running/repositories.js';

jest.setTimeout(60_000);

let product: Product;

beforeAll(async () => {
  product = await Product.start({ services: ['api', `worker-${EU}`] });
});
afterAll(() => product[Symbol.asyncDispose]());

/** States facts as a copy of the API would. */
async function state(projectId: string, events: NewEvent<'project'>[]): Promise<void> {
  const { natsUrl, controlCredentials } = product.stack.infrastructure;
  const nats = await connectToNats({ url: natsUrl, credsFile: controlCredentials.api, name: 'test' });
  try {
    const jsm = await managerOf(nats);
    const last = await jsm.streams.getMessage(STREAM.log, { last_by_subj: subjects.eventsOf('project', projectId) });
    await new Log(nats, jsm, 'buckets/api').append({ thing: 'project', id: projectId, expected: last!.seq, events });
  } finally {
    await nats.close();
  }
}

const event = (type: NewEvent<'project'>['type'], data: object) =>
  ({ thing: 'project', type, data }) as NewEvent<'project'>;

/** A deletion whose host fell silent after it had begun. */
function silentDeletion(operationId: string, backupId: string): NewEvent<'project'>[] {
  const about = { operationId, hostId: EU };
  return [
    event('forget-requested', { ...about, generation: 1, params: { backupId }, requestedBy: 'admin' }),
    event('forget-began', { ...about, attempt: 1, attemptId: `${operationId}-1` }),
    event('forget-expired', { operationId, attempt: 1, code: 'whole-limit', reason: 'It was silent.' }),
  ];
}

it('a backup that a silent host may have deleted stands for nothing until it was looked for, and then is as before or gone', async () => {
  await product.newProject('atlas');
  const file = join(product.folder('atlas'), 'project', 'file');
  const backUp = async (content: string) => {
    await writeFile(file, content);
    return (await product.backUp('atlas')).result!.backupId!;
  };
  const made = [await backUp('one'), await backUp('two')] as const;
  // One that is gone: everybody knows of it, and it is in no repository.
  const gone = 'ab'.repeat(32);
  const {
    projectId: _project,
    id: _id,
    outcome: _outcome,
    beganPosition: _position,
    ...last
  } = (await product.api.backup('atlas', made[1])) as unknown as BackupRecorded &
    Record<'projectId' | 'id' | 'outcome' | 'beganPosition', unknown>;
  await state('atlas', [
    event('backup-recorded', { ...last, backupId: gone }),
    ...silentDeletion('silent-1', made[1]),
    ...silentDeletion('silent-2', gone),
  ]);
  const doubts = async () => (await product.api.backups('atlas')).map(({ id, inDoubt }) => [id, inDoubt ?? false]);
  // The facts were stated by another copy: this one reads them when they come.
  await until(async () => (await doubts()).filter(([, inDoubt]) => inDoubt).length === 2, { what: 'two in doubt' });
  expect(await doubts()).toEqual([
    [gone, true],
    [made[1], true],
    [made[0], false],
  ]);

  // What is certain is what a start brings back.
  await rm(product.folder('atlas'), { recursive: true });
  expect(await product.start('atlas')).toMatchObject({ result: { restore: { backupId: made[0] } } });
  await product.stop('atlas');

  const look = await product.api.done('/v1/projects/atlas/tidy', {});
  expect(look).toMatchObject({
    state: 'succeeded',
    result: { lookedFor: { there: [made[1]], gone: [gone] }, orphans: { total: 0 } },
  });
  expect(await doubts()).toEqual([
    [made[1], false],
    [made[0], false],
  ]);
  expect((await snapshotsOf(product, 'atlas')).map(({ id }) => id)).toEqual([made[1], made[0]]);
  await rm(product.folder('atlas'), { recursive: true });
  expect(await product.start('atlas')).toMatchObject({ result: { restore: { backupId: made[1] } } });
  expect((await product.api.done('/v1/projects/atlas/tidy', {})).result).not.toHaveProperty('lookedFor');
});
