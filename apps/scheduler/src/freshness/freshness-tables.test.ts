import { expect, it, jest } from '@jest/globals';
import { created, insert, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { FreshnessTables } from './freshness-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

it('hosts are those of projects, each once', async () => {
  const tables = new FreshnessTables(data());
  expect(await tables.hosts()).toEqual([]);
  for (const [id, host] of [
    ['atlas', 'us-1'],
    ['borea', 'eu-1'],
    ['ceres', 'us-1'],
  ] as const) {
    await insert(data(), rowsAfter(id, [created(host)]));
  }
  await data().query(`UPDATE scheduler.project SET host_id = NULL WHERE id = 'ceres'`);
  expect(await tables.hosts()).toEqual(['eu-1', 'us-1']);
});
