import { expect, it, jest } from '@jest/globals';
import type { FreshnessState, LoggedEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { SchedulerProjection } from '../tables/scheduler-projection.js';
import { created, insert, NOON, rowsAfter, trialTables } from '../tables/testing/trial-tables.js';
import { FreshnessTables } from './freshness-tables.js';

jest.setTimeout(60_000);

const data = trialTables();
const projection = new SchedulerProjection();

interface Told {
  id: string;
  /** Null of the project's making. */
  freshness: FreshnessState | null;
}

function logged({ id, freshness }: Told, index: number): LoggedEvent<'project'> {
  const [type, body] =
    freshness === null ? created('h1') : ['freshness-changed' as const, { freshness, reason: 'So it was stated.' }];
  const time = new Date(NOON).toISOString();
  return { thing: 'project', id, type, data: body, position: index + 1, messageId: '', time } as LoggedEvent<'project'>;
}

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

it('how many projects are how fresh is what was stated of each last, however the events were cut into batches', async () => {
  const told = fc.record({
    id: fc.constantFrom('atlas', 'borealis', 'cygnus', 'draco'),
    freshness: fc.constantFrom(null, 'fresh', 'stale', 'never', 'unknown'),
  });
  const batches = fc.array(fc.array(told, { minLength: 1, maxLength: 6 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(batches, async (all) => {
      await data().transaction((rows) => projection.clear(rows));
      const last = new Map<string, FreshnessState>();
      for (const batch of all) {
        for (const { id, freshness } of batch) {
          if (freshness === null) last.set(id, 'never');
          else if (last.has(id)) last.set(id, freshness);
        }
        await data().transaction((rows) => projection.apply({ events: batch.map(logged), messages: [] }, rows));
      }
      const counted = [...(await new FreshnessTables(data()).count())].filter(([, projects]) => projects > 0);
      const expected = [...Map.groupBy(last.values(), (each) => each)].map(([each, same]) => [each, same.length]);
      expect(new Map(counted)).toEqual(new Map(expected as [FreshnessState, number][]));
    }),
    { numRuns: 50 },
  );
});
