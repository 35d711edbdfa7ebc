import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { schemaOf } from '../../../../libs/log/src/testing/schema-of.js';
import { backedUp, logged, READY, snapshot } from '../state/testing/given.js';
import { API_MIGRATIONS, openDatabase } from '../wiring/database.js';
import { API_ENTITIES } from './entities.js';
import { ListsByIndex1764700000000 } from './lists-by-index.migration.js';
import { project } from './testing/trial-tables.js';

jest.setTimeout(60_000);

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
});
afterAll(async () => {
  await parts.stop();
});

it('tables in which late backups had lost their place become what a fresh database, and its rows, would be', async () => {
  const before = await parts.database('places-lost', {
    entities: [...API_ENTITIES],
    migrations: API_MIGRATIONS.slice(0, 1 + API_MIGRATIONS.findIndex((each) => each === ListsByIndex1764700000000)),
    migrationsTableName: 'buckets_api_migrations',
  });
  await project(before, logged([...READY, ...backedUp(1), ...backedUp(2), ...backedUp(3)]));
  const look = () => before.query<object[]>(`SELECT id, began_position, unplaced FROM api.backup ORDER BY id`);
  const placed = await look();
  // As they were written: one lost its place, one is guessed at though it has one. One that the log knows no beginning of has none.
  await before.query(`UPDATE api.backup SET began_position = 0, unplaced = true WHERE id = $1`, [snapshot(1)]);
  await before.query(`UPDATE api.backup SET unplaced = true WHERE id = $1`, [snapshot(2)]);
  await before.query(
    `UPDATE api.backup SET began_position = 0, unplaced = true, operation_id = 'of-another-log' WHERE id = $1`,
    [snapshot(3)],
  );

  const [after, fresh] = await Promise.all([
    openDatabase(parts.databaseUrl('places-lost'), 2),
    openDatabase(parts.infrastructure.postgresUrl, 2),
  ]);
  try {
    const isFresh = async () => {
      for (const schema of ['api', 'vault'])
        expect(await schemaOf(after, schema)).toEqual(await schemaOf(fresh, schema));
    };
    expect(await look()).toEqual([...placed.slice(0, 2), { id: snapshot(3), began_position: '0', unplaced: true }]);
    await isFresh();
    const { indexes } = await schemaOf(after, 'api');
    for (const indexname of ['backup_certain', 'backup_deletion']) {
      expect(indexes).toContainEqual(expect.objectContaining({ indexname }));
    }
    await after.undoLastMigration();
    // Some versions had it under the name of an earlier migration.
    await after.query('CREATE INDEX backup_certain ON api.backup (id)');
    await after.runMigrations();
    await isFresh();
  } finally {
    await Promise.all([after.destroy(), fresh.destroy()]);
  }
});
