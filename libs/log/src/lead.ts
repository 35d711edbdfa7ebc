import { setTimeout as pause } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import type { Projection } from './projection.js';

/** What makes a leader give way: somebody wants to rebuild the tables. */
export const GIVE_WAY = 'give-way';

/** What only one process at a time may do, such as to write a projection's tables: held for as long as its Postgres session lives. */
export class Lead {
  private readonly ended = new AbortController();

  private constructor(
    private readonly session: QueryRunner,
    private readonly connection: PostgresConnection,
  ) {
    connection.on('end', this.end).on('error', this.end);
  }

  /** Of what is called `name`; null when another process leads. */
  static async take(data: DataSource, name: string): Promise<Lead | null> {
    const session = data.createQueryRunner();
    try {
      const connection = (await session.connect()) as PostgresConnection;
      const [row] = (await session.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS leads', [name])) as [
        { leads: boolean },
      ];
      if (row.leads) return new Lead(session, connection);
    } catch (error) {
      await session.release();
      throw error;
    }
    await session.release();
    return null;
  }

  /** Aborts when the lead is lost: somebody else may have it from then on. */
  get lost(): AbortSignal {
    return this.ended.signal;
  }

  /** Asks the session whether it is there still: a connection that was cut says nothing by itself. @throws when it is not */
  async prove(): Promise<void> {
    await this.session.query('SELECT 1');
  }

  /** A lock that went back to the pool would keep everybody, this process too, from leading again. */
  async giveUp(): Promise<void> {
    this.connection.off('end', this.end).off('error', this.end);
    try {
      if (!this.session.isReleased) await this.session.query('SELECT pg_advisory_unlock_all()');
    } finally {
      await this.session.release();
    }
  }

  private readonly end = (): void => this.ended.abort(new Error('the Postgres session that held the lead is gone'));
}

/**
 * Does what two at once would be in each other's way with.
 *
 * @param name of it, the same wherever it is done
 * @param taken the error when another is at it, and so for `waitMs` milliseconds
 */
export async function alone<R>(
  data: DataSource,
  name: string,
  { taken, waitMs = 0 }: { taken: () => Error; waitMs?: number },
  work: () => Promise<R>,
): Promise<R> {
  const deadline = performance.now() + waitMs;
  let lead: Lead | null;
  while ((lead = await Lead.take(data, `buckets ${name}`)) === null) {
    if (performance.now() >= deadline) throw taken();
    await pause(LOOK_AGAIN_MS);
  }
  try {
    return await work();
  } finally {
    // Where the session is gone, so is the lead; what went wrong before that is what counts.
    await lead.giveUp().catch(() => undefined);
  }
}

const LOOK_AGAIN_MS = 50;

/** Who leads, for people. */
export async function leaderOf(data: DataSource, projection: Pick<Projection, 'schema' | 'name'>): Promise<string> {
  const [row] = await data.query<{ who: string }[]>(
    `SELECT format('process %s (%s, from %s)', a.pid, a.application_name, coalesce(host(a.client_addr), 'this machine')) AS who
     FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
       AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended($1, 0)`,
    [leadOf(projection)],
  );
  return row?.who ?? 'nobody';
}

/** What the lead of a projection is called. */
export function leadOf({ schema, name }: Pick<Projection, 'schema' | 'name'>): string {
  return `projector ${schema}.${name}`;
}

interface PostgresConnection {
  on(event: 'end' | 'error', hear: () => void): this;
  off(event: 'end' | 'error', hear: () => void): this;
}
