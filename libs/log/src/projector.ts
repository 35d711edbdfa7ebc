import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AckPolicy,
  DeliverPolicy,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { readEvent, STREAM, subjects, UnreadableMessage } from '@buckets/contracts';
import { LogMismatch, ProjectionBehind } from './errors.js';
import type { LogMessage, Projection } from './projection.js';
import { logIdentity } from './streams.js';

export interface ProjectorLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

interface Position {
  position: number;
  identity: string;
  /** SHA-256 of the message at that position. */
  hash: string;
}

/** Messages in one transaction at most. */
const MAX_BATCH = 500;
const FETCH_EXPIRES_MS = 5_000;
const RETRY_PAUSE_MS = 500;
const STANDBY_PAUSE_MS = 1_000;
const WAIT_DEADLINE_MS = 5_000;
const INACTIVE_MS = 60_000;

/**
 * Reads the log in order from the position stored with the rows, and writes rows and position in one transaction.
 * Of several copies of a service one writes; the others follow its position and take over when it goes.
 */
export class Projector {
  private reached = 0;
  private stopping = false;
  private running: Promise<void> | undefined;
  private listener: QueryRunner | undefined;
  private open: ConsumerMessages | undefined;
  private readonly waiting = new Set<{ position: number; resolve: () => void }>();
  /** Set when the projection has stopped and needs an operator. */
  failure: Error | undefined;

  constructor(
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
    private readonly data: DataSource,
    private readonly projection: Projection,
    private readonly log: ProjectorLogger,
  ) {}

  /** The position that the tables have reached, as far as this copy knows. */
  get position(): number {
    return this.reached;
  }

  /** @throws {LogMismatch} when tables and log do not belong together */
  async start(): Promise<void> {
    await createPositions(this.data, this.projection.schema);
    await this.check();
    await this.follow();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.open?.close();
    await this.running;
    await this.listener?.release();
    this.listener = undefined;
  }

  /** Waits until the tables have reached a position. @throws {ProjectionBehind} after `deadlineMs` */
  async waitFor(position: number, deadlineMs = WAIT_DEADLINE_MS): Promise<void> {
    if (this.reached >= position) return;
    await new Promise<void>((resolve, reject) => {
      const waiter = {
        position,
        resolve: () => {
          clearTimeout(timer);
          this.waiting.delete(waiter);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.waiting.delete(waiter);
        reject(new ProjectionBehind(this.projection.name, position, this.reached));
      }, deadlineMs);
      this.waiting.add(waiter);
    });
  }

  /** Compares the tables' position with the log: another log, or an older copy of it, must not be projected. */
  private async check(): Promise<void> {
    const info = await this.jsm.streams.info(STREAM.log);
    const stored = await this.stored(this.data.manager);
    // Not only forwards: somebody may have emptied the tables for a rebuild.
    this.reached = 0;
    if (stored === undefined) return;
    const { name } = this.projection;
    if (stored.identity !== logIdentity(info)) throw new LogMismatch(name, 'it is another log');
    if (stored.position > info.state.last_seq) {
      throw new LogMismatch(
        name,
        `they are at position ${stored.position}, and the log ends at ${info.state.last_seq}`,
      );
    }
    if (stored.position === 0) return;
    const message = await this.jsm.streams.getMessage(STREAM.log, { seq: stored.position });
    if (message === null || hashOf(message.subject, message.data) !== stored.hash) {
      throw new LogMismatch(name, `the message at position ${stored.position} is another one`);
    }
    this.advance(stored.position);
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const lock = this.data.createQueryRunner();
      try {
        if (await this.lead(lock)) {
          await this.check();
          await this.read();
        } else {
          await pause(STANDBY_PAUSE_MS);
          // A notification may have been lost with its connection.
          this.advance((await this.stored(this.data.manager))?.position ?? 0);
        }
      } catch (error) {
        if (error instanceof UnreadableMessage || error instanceof LogMismatch) {
          this.failure = error;
          this.log.error({ error: error.message, projection: this.projection.name }, 'the projection has stopped');
          return;
        }
        this.log.warn({ error: String(error), projection: this.projection.name }, 'projecting stopped; trying again');
        if (!this.stopping) await pause(RETRY_PAUSE_MS);
      } finally {
        await this.yieldLead(lock);
      }
    }
  }

  /** One writer at a time: held for as long as the session lives. */
  private async lead(session: QueryRunner): Promise<boolean> {
    const [row] = (await session.query('SELECT pg_try_advisory_lock(hashtext($1)) AS leads', [
      `projector ${this.projection.schema}.${this.projection.name}`,
    ])) as [{ leads: boolean }];
    return row.leads;
  }

  /** A lock that went back to the pool would keep everybody, this copy too, from leading again. */
  private async yieldLead(session: QueryRunner): Promise<void> {
    try {
      await session.query('SELECT pg_advisory_unlock_all()');
    } catch (error) {
      this.log.warn({ error: String(error) }, 'the session that led is gone, and its lock with it');
    } finally {
      await session.release();
    }
  }

  private async read(): Promise<void> {
    const consumer = await this.jsm.consumers.add(STREAM.log, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.reached + 1,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    const reader = await this.js.consumers.get(STREAM.log, consumer.name);
    let delivered = 0;
    while (!this.stopping) {
      const messages = await reader.fetch({ max_messages: MAX_BATCH, expires: FETCH_EXPIRES_MS });
      this.open = messages;
      for await (const batch of asTheyCome(messages)) {
        for (const message of batch) {
          if (message.info.deliverySequence !== ++delivered) throw new Error('a gap in the delivery');
        }
        await this.project(batch.map(asStored));
      }
      const { position = 0 } = (await this.stored(this.data.manager)) ?? {};
      if (position !== this.reached) throw new Error('the tables were emptied for a rebuild');
    }
  }

  private async project(messages: LogMessage[]): Promise<void> {
    const last = messages.at(-1)!;
    const events = messages
      .filter(({ subject }) => subject.startsWith(EVENT_PREFIX))
      .map(({ subject, bytes, position }) => readEvent(subject, bytes, position));
    await this.data.transaction(async (rows) => {
      const before = (await this.stored(rows, true))?.position ?? 0;
      if (before !== this.reached) {
        this.advance(before);
        throw new Error('another copy has moved the position');
      }
      await this.projection.apply({ messages, events }, rows);
      await this.store(rows, last);
    });
    this.advance(last.position);
  }

  private async store(rows: EntityManager, last: LogMessage): Promise<void> {
    this.identity ??= logIdentity(await this.jsm.streams.info(STREAM.log));
    const { schema, name } = this.projection;
    await rows.query(
      `INSERT INTO "${schema}".projection_position (name, position, identity, hash, moved_at) VALUES ($1, $2, $3, $4, now())
       ON CONFLICT (name) DO UPDATE SET position = excluded.position, identity = excluded.identity, hash = excluded.hash, moved_at = now()`,
      [name, last.position, this.identity, hashOf(last.subject, last.bytes)],
    );
    await rows.query('SELECT pg_notify($1, $2)', [this.channel, String(last.position)]);
  }
  private identity: string | undefined;

  private async stored(rows: EntityManager, lock = false): Promise<Position | undefined> {
    const { schema, name } = this.projection;
    const [row] = (await rows.query(
      `SELECT position, identity, hash FROM "${schema}".projection_position WHERE name = $1 ${lock ? 'FOR UPDATE' : ''}`,
      [name],
    )) as { position: string; identity: string; hash: string }[];
    return row === undefined ? undefined : { ...row, position: Number(row.position) };
  }

  private get channel(): string {
    return `${this.projection.schema}_${this.projection.name}`.replaceAll('-', '_');
  }

  /** Hears of positions that another copy has written. */
  private async follow(): Promise<void> {
    this.listener = this.data.createQueryRunner();
    const client = (await this.listener.connect()) as {
      on(event: 'notification', hear: (message: { channel: string; payload?: string }) => void): void;
    };
    client.on('notification', ({ channel, payload }) => {
      if (channel === this.channel) this.advance(Number(payload));
    });
    await this.listener.query(`LISTEN "${this.channel}"`);
  }

  private advance(position: number): void {
    this.reached = Math.max(this.reached, position);
    for (const waiter of this.waiting) if (waiter.position <= this.reached) waiter.resolve();
  }
}
const EVENT_PREFIX = subjects.allEvents.slice(0, -1);

/** Forgets a projection's rows and position, so that the next start reads the log from its beginning. */
export async function resetProjection(data: DataSource, projection: Projection): Promise<void> {
  await createPositions(data, projection.schema);
  await data.transaction(async (rows) => {
    await projection.clear(rows);
    await rows.query(`DELETE FROM "${projection.schema}".projection_position WHERE name = $1`, [projection.name]);
  });
}

async function createPositions(data: DataSource, schema: string): Promise<void> {
  await data.query(
    `CREATE TABLE IF NOT EXISTS "${schema}".projection_position (
       name text PRIMARY KEY, position bigint NOT NULL, identity text NOT NULL, hash text NOT NULL, moved_at timestamptz NOT NULL)`,
  );
}

function asStored(message: JsMsg): LogMessage {
  const headers: Record<string, string> = {};
  for (const [key, values] of message.headers ?? []) headers[key] = values.join(',');
  return {
    position: message.seq,
    subject: message.subject,
    bytes: message.data,
    headers,
    storedAt: message.timestamp,
  };
}

function hashOf(subject: string, bytes: Uint8Array): string {
  return createHash('sha256').update(subject).update('\0').update(bytes).digest('hex');
}

/** All that has arrived while the last batch was written, each time. */
async function* asTheyCome(messages: ConsumerMessages): AsyncGenerator<JsMsg[]> {
  const arrived: JsMsg[] = [];
  let wake = (): void => undefined;
  let ended = false;
  let failure: unknown;
  const collect = async (): Promise<void> => {
    try {
      for await (const message of messages) {
        arrived.push(message);
        wake();
      }
    } catch (error) {
      failure = error;
    } finally {
      ended = true;
      wake();
    }
  };
  const collecting = collect();
  try {
    while (true) {
      if (arrived.length > 0) yield arrived.splice(0);
      else if (ended) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    if (failure !== undefined) throw failure;
  } finally {
    await messages.close();
    await collecting;
  }
}
