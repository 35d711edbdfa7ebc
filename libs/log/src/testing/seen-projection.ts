import type { EntityManager } from 'typeorm';
import type { Projection, ProjectionBatch } from '../projection.js';

/** Writes down each event it sees. A second time is an error of the database's. */
export class SeenProjection implements Projection {
  readonly name = 'seen';
  /** How many messages came at a time. */
  readonly batches: number[] = [];
  /** What a test does in the middle of a transaction. */
  disturb: (batch: ProjectionBatch, rows: EntityManager) => Promise<void> = async () => undefined;

  constructor(readonly schema: string) {}

  async apply(batch: ProjectionBatch, rows: EntityManager): Promise<void> {
    this.batches.push(batch.messages.length);
    for (const { position, type, id } of batch.events) {
      await rows.query(`INSERT INTO ${this.schema}.seen (position, type, id) VALUES ($1, $2, $3)`, [
        position,
        type,
        id,
      ]);
    }
    await this.disturb(batch, rows);
  }

  async clear(rows: EntityManager): Promise<void> {
    await rows.query(`DELETE FROM ${this.schema}.seen`);
  }

  static async createTable(rows: Pick<EntityManager, 'query'>, schema: string): Promise<void> {
    await rows.query(`CREATE SCHEMA ${schema}`);
    await rows.query(`CREATE TABLE ${schema}.seen (position bigint PRIMARY KEY, type text, id text)`);
  }
}
