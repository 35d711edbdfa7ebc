import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../stack/src/index.js';
import type { Backup, Operation } from '../running/api.js';
import { EU, Product } from '../running/product.js';
import { snapshotsOf } from '../running/repositories.js';

jest.setTimeout(120_000);

let product: Product;

beforeAll(async () => {
  product = await Product.start({
    services: ['api', 'scheduler', `worker-${EU}`],
    settings: () => ({ BUCKETS_SCHEDULE_TICK: '200ms' }),
  });
});
afterAll(() => product[Symbol.asyncDispose]());

const file = () => join(product.folder('atlas'), 'project', 'file');
const ids = (backups: readonly Backup[]) => backups.map(({ id }) => id).sort();

async function backUp(content?: string): Promise<string> {
  if (content !== undefined) await writeFile(file(), content);
  const { result } = await product.backUp('atlas');
  return result!.backupId!;
}

/** Until there are just these backups, in the eyes of the product and in the repository. */
async function onlyKept(...kept: string[]): Promise<void> {
  const all = async () => {
    const found = [await product.api.backups('atlas'), await snapshotsOf(product, 'atlas')];
    return found.every((backups) => ids(backups as Backup[]).join() === kept.toSorted().join());
  };
  await until(all, { what: `the end of all backups but ${kept.join(', ')}`, withinMs: 30_000 });
}

describe('a project that keeps its two newest backups', () => {
  const made: string[] = [];

  it('has the older ones deleted', async () => {
    await product.newProject('atlas', { retention: { last: 2 } });
    for (const content of ['one', 'two', 'three', 'four']) made.push(await backUp(content));
    await onlyKept(made[2]!, made[3]!);
    const { items } = await product.api.get<{ items: Operation[] }>('/v1/operations?projectId=atlas&kind=forget');
    expect(items.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  });

  it('loses no good one for those that are suddenly empty, and gets the last good one back', async () => {
    await rm(file());
    const empty = [await backUp(), await backUp(), await backUp()];
    await onlyKept(made[2]!, made[3]!, empty[1]!, empty[2]!);
    await rm(product.folder('atlas'), { recursive: true });
    await product.start('atlas', { backupId: made[3] });
    expect(await readFile(file(), 'utf8')).toBe('four');
  });

  it('keeps all again when it is told to', async () => {
    const { body } = await product.api.call<{ retention?: object }>('PATCH', '/v1/projects/atlas', {
      body: { retention: {} },
    });
    expect(body).not.toHaveProperty('retention');
    const before = ids(await product.api.backups('atlas'));
    const more = [await backUp('five'), await backUp('six'), await backUp('seven')];
    await onlyKept(...before, ...more);
  });
});
