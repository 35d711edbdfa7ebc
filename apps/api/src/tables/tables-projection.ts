import { upToSweeps, type LoggedEvent } from '@buckets/contracts';
import { changeInPieces, type Projection, type ProjectionBatch } from '@buckets/log';
import type { EntityManager } from 'typeorm';
import { API_ENTITIES, JournalRow } from './entities.js';
import { Parameters } from './rows.js';
import { applyEvent, Views, type Sweep } from './views.js';

/** The API's tables and the journal: what people read, what is decided on, and the raw log once more. */
export class TablesProjection implements Projection {
  readonly name = 'tables';
  readonly schema = 'api';

  async apply({ messages, events }: ProjectionBatch, manager: EntityManager): Promise<void> {
    const parameters = new Parameters();
    const first = { parameters, statements: [keepJournal(messages, manager, parameters)] };
    for (const [index, some] of upToSweeps(events).entries()) {
      await applyEvents(some, manager, index === 0 ? first : { parameters: new Parameters(), statements: [] });
    }
  }

  /** The journal of another log stays whole: that log can be made again from it. */
  async putAside(manager: EntityManager, identity: string): Promise<void> {
    await renameJournal(`journal_of_${identity.replaceAll(/\W/g, '_')}`, manager);
  }

  /** The journal stays: it may be the only copy of the log. */
  async clear(manager: EntityManager): Promise<void> {
    const derived = API_ENTITIES.filter((entity) => entity !== JournalRow);
    // Not TRUNCATE, which would keep everybody from reading until the transaction ends.
    for (const entity of derived) await manager.createQueryBuilder().delete().from(entity).execute();
  }
}

/** Writes what follows from the events, and what else is to be written, in one go. */
async function applyEvents(
  events: readonly LoggedEvent[],
  manager: EntityManager,
  { parameters, statements }: { parameters: Parameters; statements: readonly string[] },
): Promise<void> {
  const views = new Views();
  await views.fetch(events, manager);
  for (const event of events) applyEvent(views, event);
  const parts = [...statements, ...views.changes(manager, parameters)].map((part, index) => `w${index} AS (${part})`);
  if (parts.length > 0) await manager.query(`WITH ${parts.join(',\n')} SELECT`, parameters.values);
  if (views.sweep !== undefined) await carryOut(views.sweep, manager);
}

async function carryOut({ projectId, before, but, damagedPosition }: Sweep, manager: EntityManager): Promise<void> {
  await changeInPieces(
    manager,
    `WITH others AS (
       SELECT id FROM api.backup WHERE project_id = $1 AND position < $2 AND id <> ALL ($3::text[])
          AND damaged_position IS ${damagedPosition === null ? 'NOT NULL' : 'NULL'} LIMIT $5),
     changed AS (
       UPDATE api.backup SET damaged_position = $4::bigint FROM others
        WHERE backup.project_id = $1 AND backup.id = others.id RETURNING 1)
     SELECT count(*)::int AS changed FROM changed`,
    [projectId, before, but, damagedPosition],
  );
  await manager.query(
    `UPDATE api.project SET
       damaged_backups = (SELECT count(*) FROM api.backup WHERE project_id = $1 AND damaged_position IS NOT NULL),
       cover_lost = (SELECT CASE WHEN damaged_position IS NOT NULL THEN 'damaged'
                                 WHEN maybe_deleted_by IS NOT NULL THEN 'in-doubt' END
                       FROM api.backup WHERE project_id = $1 AND id = covered_by)
     WHERE id = $1`,
    [projectId],
  );
}

/** The whole of the journal under another name, and an empty one in its place. */
async function renameJournal(name: string, manager: EntityManager): Promise<void> {
  await manager.query(`ALTER TABLE api.journal RENAME TO "${name}"`);
  await manager.query(`ALTER INDEX api.journal_pkey RENAME TO "${name}_pkey"`);
  await manager.query(`CREATE TABLE api.journal (LIKE api."${name}" INCLUDING ALL)`);
}

function keepJournal(messages: ProjectionBatch['messages'], manager: EntityManager, parameters: Parameters): string {
  const { tablePath } = manager.connection.getMetadata(JournalRow);
  const places = [
    `${parameters.add(messages.map(({ position }) => position))}::bigint[]`,
    `${parameters.add(messages.map(({ subject }) => subject))}::text[]`,
    `${parameters.add(messages.map(({ headers }) => JSON.stringify(headers)))}::jsonb[]`,
    // An array of buffers would take twice the room, and four times the work.
    `${parameters.add(messages.map(({ bytes }) => base64(bytes)))}::text[]`,
    `${parameters.add(messages.map(({ storedAt }) => storedAt))}::text[]`,
  ];
  return `INSERT INTO ${tablePath} (position, subject, headers, bytes, stored_at)
     SELECT position, subject, headers, decode(base64, 'base64'), stored_at
     FROM unnest(${places.join(', ')}) AS message (position, subject, headers, base64, stored_at)
     ON CONFLICT (position) DO NOTHING`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
