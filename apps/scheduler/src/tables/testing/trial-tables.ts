import 'reflect-metadata';
import { afterAll, beforeAll } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { RealParts } from '../../../../../libs/log/src/testing/real-parts.js';
import { openSchedulerDatabase } from '../database.js';
import { evolve, type ProjectRows } from '../evolve.js';
import { BackupRow, ProjectRow } from '../rows.js';

export const NOON = Date.parse('2031-05-06T12:00:00.000Z');

/**
 * The scheduler's tables on a Postgres of their own, for the tests of a file; `patient` for statements that take as long as
 * they take.
 *
 * @returns what holds them, while these run
 */
export function trialTables({ patient = false } = {}): () => DataSource {
  let parts: RealParts;
  let data: DataSource;
  beforeAll(async () => {
    parts = await RealParts.start(['postgres']);
    data = await openSchedulerDatabase({ url: parts.infrastructure.postgresUrl, connections: 2, patient });
  });
  afterAll(async () => {
    await data?.destroy();
    await parts.stop();
  });
  return () => data;
}

/** What a project's events, all at noon, come to; of each only what counts. */
export function rowsAfter(id: string, events: readonly [LoggedEvent<'project'>['type'], object][]): ProjectRows {
  const time = new Date(NOON).toISOString();
  return events.reduce<ProjectRows | null>((before, [type, data], index) => {
    const event = { thing: 'project', id, type, data, position: index + 1, messageId: '', time };
    return evolve(before, event as LoggedEvent<'project'>);
  }, null)!;
}

/** Of a project on a host. */
export function created(hostId: string): ['created', object] {
  const about = { hostId, generation: 1, ownerId: 'o', regionId: 'r', bucketId: 'b', requestedBy: 'admin' };
  return ['created', { ...about, backupIntervalMinutes: 60 }];
}

/** Stores a project with its backups. */
export async function insert(data: DataSource, { project, backups }: ProjectRows): Promise<void> {
  await data.getRepository(ProjectRow).insert(project as object);
  await data.getRepository(BackupRow).insert([...backups.values()] as object[]);
}
