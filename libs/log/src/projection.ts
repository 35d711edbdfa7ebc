import type { EntityManager } from 'typeorm';
import type { LoggedEvent } from '@buckets/contracts';

/** One message of the log as it is stored. */
export interface LogMessage {
  position: number;
  subject: string;
  bytes: Uint8Array;
  headers: Record<string, string>;
  /** When the server stored it; RFC 3339. */
  storedAt: string;
}

/**
 * Tables that are made from the log and from nothing else. Dropping them and reading the log again gives the same
 * rows: a projection sends nothing, asks nobody and looks at no clock.
 */
export interface Projection {
  /** Names the position's row. */
  readonly name: string;
  /** The Postgres schema that holds its tables and its position. */
  readonly schema: string;
  /**
   * How long after a batch what comes in is gathered for the next, in milliseconds, unless it fills one: for tables that
   * nobody waits for. A batch costs much the same however many messages it has. Default 0.
   */
  readonly gatherMs?: number;
  /** Writes what a batch means, in the transaction that also moves the position. */
  apply(batch: ProjectionBatch, rows: EntityManager): Promise<void>;
  /** Empties the tables, for a rebuild; without TRUNCATE, which would keep readers out until the rebuild has ended. */
  clear(rows: EntityManager): Promise<void>;
  /**
   * Puts aside what must not be mixed with another log, before a rebuild from one.
   *
   * @param name of the log that the tables were made from
   */
  putAside?(rows: EntityManager, name: string): Promise<void>;
}

export interface ProjectionBatch {
  /** Every message, intents too, as stored. */
  messages: readonly LogMessage[];
  /** The events among them. */
  events: readonly LoggedEvent[];
}
