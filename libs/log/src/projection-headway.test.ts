import { expect, it } from '@jest/globals';
import type { JetStreamManager } from '@nats-io/jetstream';
import { NoHeadway } from './headway.js';
import { ProjectionHeadway } from './projection-headway.js';

it('tables that stand still while the log goes on are not well; those that move, and those that have it all, are', async () => {
  let now = 0;
  let end = 7;
  const projector: { name: string; position: number; trouble: Error | undefined } = {
    name: 'tables',
    position: 7,
    trouble: undefined,
  };
  const jsm = { streams: { info: async () => ({ state: { last_seq: end } }) } } as unknown as JetStreamManager;
  const headway = new ProjectionHeadway(projector, jsm, 1_000, () => now);
  now = 1e9;
  await headway.check();
  end = 100;
  await headway.check();
  now += 1_000;
  await headway.check();
  now += 1;
  await expect(headway.check()).rejects.toThrow(NoHeadway);
  await expect(headway.check()).rejects.toThrow('The projection tables (at 7 of 100)');
  projector.position = 8;
  await headway.check();
  now += 1_001;
  await expect(headway.check()).rejects.toThrow(NoHeadway);
  projector.position = 100;
  await headway.check();
  projector.trouble = new Error('Postgres is away');
  await expect(headway.check()).rejects.toThrow('Postgres is away');
});
