import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '@buckets/patience';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { openDatabase } from './open-database.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

class CreateNotes1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE note (text text)');
    await runner.query('SELECT pg_sleep(0.2)');
  }
  async down(): Promise<void> {}
}

describe('a database of a service', () => {
  let parts: RealParts;

  beforeAll(async () => {
    parts = await RealParts.start(['postgres']);
  });
  afterAll(async () => {
    await parts.stop();
  });

  const sessionOf = async (data: Pick<DataSource, 'query'>) =>
    (await data.query<[{ pid: number }]>('SELECT pg_backend_pid() AS pid'))[0].pid;

  it('is migrated once by those that start at the same time', async () => {
    await parts.database('race');
    const started = await Promise.all(
      [1, 2, 3].map(() => parts.database('race', { migrations: [CreateNotes1700000000000] })),
    );
    for (const data of started) await data.query(`INSERT INTO note VALUES ('here')`);
    expect(await started[0]!.query('SELECT count(*)::int FROM note')).toEqual([{ count: 3 }]);
  });

  it('is connected to by a start though the server takes connections late', async () => {
    const before = await parts.database('late');
    const status = await readFile(`/proc/${await sessionOf(before)}/status`, 'utf8');
    const postmaster = Number(/^PPid:\s+(\d+)$/m.exec(status)![1]);
    process.kill(postmaster, 'SIGSTOP');
    const opening = openDatabase({ url: parts.databaseUrl('late'), name: 'late', connections: 1, migrationLock: 1 });
    try {
      // Longer than a connection may take while the service runs.
      await expect(Promise.race([opening, pause(4_000, 'not yet')])).resolves.toBe('not yet');
    } finally {
      process.kill(postmaster, 'SIGCONT');
    }
    const data = await opening;
    expect(await data.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await data.destroy();
  });

  it('ends a statement that takes too long', async () => {
    const data = await parts.database('slow', { connections: 1 });
    const session = await sessionOf(data);
    // The server's own word, or where that comes late, this process's.
    await expect(data.query('SELECT pg_sleep(60)')).rejects.toThrow(/statement timeout|Query read timeout/);
    const observer = await parts.database('slow');
    const isAtWork = `SELECT FROM pg_stat_activity WHERE pid = ${session} AND state = 'active'`;
    await until(async () => (await observer.query<object[]>(isAtWork)).length === 0);
  });

  it('gives up on a server that hangs, and never uses that connection again: its transaction may be open still', async () => {
    const data = await parts.database('hang', { connections: 1 });
    const observer = await parts.database('hang');
    await observer.query('CREATE TABLE note (text text)');
    let hanging = 0;
    const lost = data.transaction(async (rows) => {
      hanging = await sessionOf(rows);
      process.kill(hanging, 'SIGSTOP');
      await rows.query(`INSERT INTO note VALUES ('half')`);
    });
    await expect(lost).rejects.toThrow('Query read timeout');
    // The one connection that there may be is another one by now.
    const next = await sessionOf(data);
    expect(next).not.toBe(hanging);
    process.kill(hanging, 'SIGCONT');
    await data.query(`INSERT INTO note VALUES ('whole')`);
    expect(await observer.query('SELECT text FROM note')).toEqual([{ text: 'whole' }]);
  });

  it('uses a connection again whose transaction failed and was rolled back', async () => {
    const data = await parts.database('again', { connections: 1 });
    const session = await sessionOf(data);
    await expect(data.transaction((rows) => rows.query<object[]>('SELECT 1/0'))).rejects.toThrow('division by zero');
    await expect(data.query('SELECT * FROM nothing')).rejects.toThrow('does not exist');
    expect(await sessionOf(data)).toBe(session);
  });
});
