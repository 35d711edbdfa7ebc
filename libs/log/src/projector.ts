import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { DataSource } from 'typeorm';
import { readEvent, STREAM, subjects, UnreadableMessage, type LoggedEvent } from '@buckets/contracts';
import { Backoff, quietPause } from '@buckets/patience';
import { LogGap, LogMismatch, ProjectionBehind } from './errors.js';
import { knownLog } from './known-log.js';
import { GIVE_WAY, Lead, leadOf } from './lead.js';
import { AT_ONCE, readLog } from './log-reader.js';
import { hashOf, PositionRow } from './position.js';
import type { LogMessage, Projection } from './projection.js';
import { logIdentity } from './streams.js';

export interface ProjectorLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const RETRY = new Backoff({ firstMs: 250, maxMs: 3_000 });
const STANDBY_MS = 1_000;
/** How long whoever asked for the lead has the first go at it. */
const HOLD_OFF_MS = 2_000;
const WAIT_DEADLINE_MS = 5_000;
/** Of the batches, after each that was written. */
const GROWTH = 1.25;

/**
 * Reads the log in order from the position stored with the rows, and writes rows and position in one transaction.
 * Of several copies of a service one writes; the others follow its position and take over when it goes.
 */
export class Projector {
  private readonly row: PositionRow;
  private readonly waiters = new Set<Waiter>();
  private readonly stopping = new AbortController();
  private readonly work: Promise<void>[] = [];
  private reached = 0;
  /** The furthest that the tables have come: a crash of Postgres takes their last moment away. */
  private shown = 0;
  /** Whether a session listens: without one, Postgres may have crashed, and nobody here knows. */
  private listening = false;
  /** Of the log that the tables were checked against. */
  private identity = '';
  private leading = false;
  /** Messages in a batch, at most: less than usual after a batch that could not be written. */
  private atOnce = AT_ONCE;
  /** Ends the leading, for somebody who wants to rebuild. */
  private way = new AbortController();
  private holdOffUntil = 0;
  private stoppedBy: Error | undefined;
  private heldUpBy: Error | undefined;

  constructor(
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
    private readonly data: DataSource,
    private readonly projection: Projection,
    private readonly log: ProjectorLogger,
  ) {
    this.row = new PositionRow(projection);
  }

  /** Of the projection. */
  get name(): string {
    return this.projection.name;
  }

  /** The position that the tables have reached, as far as this copy knows. */
  get position(): number {
    return this.reached;
  }

  /** Why the projection has stopped: it needs an operator. It goes on by itself once log and tables belong together. */
  get failure(): Error | undefined {
    return this.stoppedBy;
  }

  /** Why the projection does not get on at the moment; it keeps trying. */
  get trouble(): Error | undefined {
    return this.stoppedBy ?? this.heldUpBy;
  }

  /** @throws what NATS and Postgres throw */
  async start(): Promise<void> {
    await this.check().catch((error: unknown) => {
      if (!(error instanceof LogMismatch)) throw error;
      this.stopFor(error);
    });
    this.work.push(this.run(), this.listen());
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.work);
  }

  /** Waits until the tables have reached a position. @throws {ProjectionBehind} after `deadlineMs` milliseconds */
  async waitFor(position: number, deadlineMs = WAIT_DEADLINE_MS): Promise<void> {
    if (await this.reaches(position, { deadlineMs })) return;
    throw new ProjectionBehind(this.projection.name, position, this.reached);
  }

  /**
   * Waits until the tables show all that they have shown before; they do, unless Postgres has crashed a moment ago.
   *
   * @throws {ProjectionBehind} after `deadlineMs` milliseconds
   * @throws what NATS and Postgres throw
   */
  async steady(deadlineMs = WAIT_DEADLINE_MS): Promise<void> {
    if (this.has(this.shown)) return;
    const { position } = await this.row.read(this.data);
    if (position >= this.shown) return;
    // Of a log that is shorter by an operator's will, they can show no more than all.
    const { state } = await this.jsm.streams.info(STREAM.log);
    await this.waitFor(Math.min(this.shown, state.last_seq), deadlineMs);
  }

  /**
   * Waits for the tables to get to a position or past it, for so many milliseconds at most.
   *
   * @returns whether they have got there
   */
  async reaches(position: number, options: { deadlineMs: number; signal?: AbortSignal }): Promise<boolean> {
    const { deadlineMs, signal } = options;
    if (this.has(position)) return true;
    if (signal?.aborted) return false;
    return new Promise((resolve) => {
      const settle = (reached: boolean): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        this.waiters.delete(waiter);
        resolve(reached);
      };
      const giveUp = (): void => settle(false);
      const waiter = { position, settle };
      const timer = setTimeout(giveUp, deadlineMs);
      signal?.addEventListener('abort', giveUp);
      this.waiters.add(waiter);
    });
  }

  /** Leads when it can, follows when it cannot, and tries again, later each time, when something fails. */
  private async run(): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const lead = performance.now() < this.holdOffUntil ? null : await Lead.take(this.data, leadOf(this.projection));
        if (lead !== null) {
          await this.underLead(lead, () => (failures = 0));
          continue;
        }
        if (this.stoppedBy !== undefined) await this.check();
        this.moveTo((await this.row.read(this.data)).position);
        this.heldUpBy = undefined;
        failures = 0;
        await quietPause(STANDBY_MS, signal);
      } catch (error) {
        if (isFinal(error)) {
          this.stopFor(error);
          return;
        }
        if (error instanceof LogMismatch) {
          this.stopFor(error);
        } else {
          this.heldUpBy = error as Error;
          this.log.warn({ error: String(error), projection: this.projection.name }, 'projecting stopped; trying again');
        }
        await RETRY.pause(++failures, signal);
      }
    }
  }

  private async underLead(lead: Lead, gotOn: () => void): Promise<void> {
    this.way = new AbortController();
    try {
      // Another copy may have written since, or a failover of Postgres may have lost what this one wrote.
      await this.check();
      this.leading = true;
      this.log.info({ projection: this.projection.name, position: this.reached }, 'projecting');
      const signal = AbortSignal.any([this.stopping.signal, lead.lost, this.way.signal]);
      const atOnce = () => this.atOnce;
      const { gatherMs = 0 } = this.projection;
      for await (const batch of readLog(this.js, this.jsm, { from: this.reached + 1, signal, atOnce })) {
        const isFull = batch.length >= this.atOnce;
        await this.projectOrHalve(batch);
        this.heldUpBy = undefined;
        gotOn();
        if (gatherMs > 0 && !isFull) await quietPause(gatherMs, signal);
      }
      lead.lost.throwIfAborted();
    } finally {
      this.leading = false;
      await lead.giveUp().catch((error: unknown) => {
        this.log.warn({ error: String(error), projection: this.projection.name }, 'the lead could not be given up');
      });
    }
  }

  /** What is too much for one transaction is tried again in halves; it becomes more again while all goes well. */
  private async projectOrHalve(batch: LogMessage[]): Promise<void> {
    try {
      await this.project(batch);
      this.atOnce = Math.min(AT_ONCE, Math.ceil(this.atOnce * GROWTH));
    } catch (error) {
      this.atOnce = Math.max(1, Math.floor(batch.length / 2));
      throw error;
    }
  }

  /** Writes what can be read; what cannot stops the projection, with everything before it in the tables. */
  private async project(messages: LogMessage[]): Promise<void> {
    const { events, readable, unreadable } = eventsIn(messages);
    const last = readable.at(-1);
    if (last !== undefined) {
      await this.data.transaction(async (rows) => {
        const { position } = await this.row.lock(rows);
        if (position !== this.reached) throw new Error(`another process has moved the position to ${position}`);
        await this.projection.apply({ messages: readable, events }, rows);
        await this.row.move(rows, { position: last.position, identity: this.identity, hash: hashOf(last) });
      });
      this.moveTo(last.position);
    }
    if (unreadable !== undefined) throw unreadable;
  }

  /** Whether the log is the one that the tables know: another one, or an older copy of it, must not be projected. */
  private async check(): Promise<void> {
    const known = await this.row.readIfThere(this.data);
    if (known !== null) this.moveTo(known.position);
    const info = await knownLog(this.jsm, this.projection.name, known);
    if (info === null) throw new Error('There is no log yet: the API makes it when it starts.');
    this.identity = logIdentity(info);
    if (known === null) await this.row.create(this.data, this.identity);
    // With nothing left to read there is nothing to be held up by.
    if (this.reached === info.state.last_seq) this.heldUpBy = undefined;
    if (this.stoppedBy !== undefined) {
      this.log.info({ projection: this.projection.name }, 'the log is the right one again');
      this.stoppedBy = undefined;
    }
  }

  /** Hears of positions that another process has written, and of the wish to rebuild. */
  private async listen(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      const session = this.data.createQueryRunner();
      const gone = Promise.withResolvers<void>();
      const leave = (): void => {
        this.listening = false;
        gone.resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      try {
        const connection = (await session.connect()) as ListeningConnection;
        connection.on('end', leave).on('error', leave).on('notification', this.hear);
        await this.row.listen(session);
        await this.lookAgain();
        failures = 1;
        await gone.promise;
        connection.off('end', leave).off('error', leave).off('notification', this.hear);
        if (!session.isReleased) await session.query('UNLISTEN *');
      } catch (error) {
        this.log.warn({ error: String(error), projection: this.projection.name }, 'cannot hear of new positions');
      } finally {
        leave();
        await session.release();
      }
      await RETRY.pause(failures, signal);
    }
  }

  /** What was said while nobody listened, and what a crash has taken away. */
  private async lookAgain(): Promise<void> {
    const before = this.reached;
    const known = await this.row.readIfThere(this.data);
    this.listening = true;
    // What this copy writes itself it knows better, unless that was taken away.
    const isNews = known !== null && (!this.leading || known.position < before);
    this.moveTo(isNews ? known.position : this.reached);
  }

  private readonly hear = ({ channel, payload = '' }: { channel: string; payload?: string }): void => {
    if (channel !== this.row.channel) return;
    if (payload === GIVE_WAY) {
      this.holdOffUntil = performance.now() + HOLD_OFF_MS;
      this.way.abort();
      return;
    }
    // What this copy writes itself it knows earlier.
    if (!this.leading) this.moveTo(Number(payload));
  };

  private has(position: number): boolean {
    return this.listening && this.reached >= position;
  }

  private moveTo(position: number): void {
    this.reached = position;
    this.shown = Math.max(this.shown, position);
    for (const waiter of this.waiters) if (this.has(waiter.position)) waiter.settle(true);
  }

  private stopFor(error: Error): void {
    const known = this.stoppedBy?.message === error.message;
    this.stoppedBy = error;
    if (known) return;
    this.log.error({ error: error.message, projection: this.projection.name }, 'the projection has stopped');
  }
}

interface Waiter {
  position: number;
  settle: (reached: boolean) => void;
}

interface ListeningConnection {
  on(event: 'end' | 'error', hear: () => void): this;
  off(event: 'end' | 'error', hear: () => void): this;
  on(event: 'notification', hear: (message: { channel: string; payload?: string }) => void): this;
  off(event: 'notification', hear: (message: { channel: string; payload?: string }) => void): this;
}

/** Trying again helps against neither of these. */
function isFinal(error: unknown): error is Error {
  return error instanceof UnreadableMessage || error instanceof LogGap;
}

const EVENT_PREFIX = subjects.allEvents.slice(0, -1);

/** The events among the messages, up to the first that cannot be read. */
export function eventsIn(messages: readonly LogMessage[]): {
  events: LoggedEvent[];
  readable: readonly LogMessage[];
  unreadable?: UnreadableMessage;
} {
  const events: LoggedEvent[] = [];
  for (const [index, { subject, bytes, position }] of messages.entries()) {
    if (!subject.startsWith(EVENT_PREFIX)) continue;
    try {
      events.push(readEvent(subject, bytes, position));
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      return { events, readable: messages.slice(0, index), unreadable: error };
    }
  }
  return { events, readable: messages };
}
