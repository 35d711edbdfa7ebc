import type { Projection, ProjectionBatch } from '@buckets/log';
import type { EntityManager } from 'typeorm';
import { API_ENTITIES, JournalRow } from './entities.js';
import { Parameters } from './rows.js';
import { applyEvent, Views } from './views.js';

/** The API's tables and the journal: what people read, what is decided on, and the raw log once more. */
export class TablesProjection implements Projection {
  readonly name = 'tables';
  readonly schema = 'api';

  async apply({ messages, events }: ProjectionBatch, manager: EntityManager): Promise<void> {
    const views = new Views();
    await views.fetch(events, manager);
    for (const event of events) applyEvent(views, event);
    const parameters = new Parameters();
    const writes = [keepJournal(messages, manager, parameters), ...views.changes(manager, parameters)];
    const parts = writes.map((write, index) => `w${index} AS (${write})`);
    await manager.query(`WITH ${parts.join(',\n')} SELECT`, parameters.values);
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
