import type { Projection, ProjectionBatch } from '@buckets/log';
import type { EntityManager } from 'typeorm';
import { API_ENTITIES, JournalRow } from './entities.js';
import { applyEvent, touched, Views } from './views.js';

/** The API's tables and the journal: what people read, what is decided on, and the raw log once more. */
export class TablesProjection implements Projection {
  readonly name = 'tables';
  readonly schema = 'api';

  async apply({ messages, events }: ProjectionBatch, manager: EntityManager): Promise<void> {
    await keepJournal(messages, manager);
    const views = new Views();
    const needed = events.flatMap(touched);
    for (const table of new Set(needed.map((need) => need.table))) {
      await views[table].fetch(
        needed.filter((need) => need.table === table).map((need) => need.key),
        manager,
      );
    }
    for (const event of events) applyEvent(views, event);
    for (const rows of views.all) await rows.flush(manager);
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

/** The whole of the journal under another name, and an empty one in its place. */
async function renameJournal(name: string, manager: EntityManager): Promise<void> {
  await manager.query(`ALTER TABLE api.journal RENAME TO "${name}"`);
  await manager.query(`ALTER INDEX api.journal_pkey RENAME TO "${name}_pkey"`);
  await manager.query(`CREATE TABLE api.journal (LIKE api."${name}" INCLUDING ALL)`);
}

async function keepJournal(messages: ProjectionBatch['messages'], manager: EntityManager): Promise<void> {
  const { tablePath } = manager.connection.getMetadata(JournalRow);
  await manager.query(
    `INSERT INTO ${tablePath} (position, subject, headers, bytes, stored_at)
     SELECT position, subject, headers, decode(base64, 'base64'), stored_at
     FROM unnest($1::bigint[], $2::text[], $3::jsonb[], $4::text[], $5::text[])
       AS message (position, subject, headers, base64, stored_at)
     ON CONFLICT (position) DO NOTHING`,
    [
      messages.map(({ position }) => position),
      messages.map(({ subject }) => subject),
      messages.map(({ headers }) => JSON.stringify(headers)),
      // An array of buffers would take twice the room, and four times the work.
      messages.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')),
      messages.map(({ storedAt }) => storedAt),
    ],
  );
}
