import { setTimeout as pause } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { STREAM, subjects, type EventThing, type LoggedEvent, type NewEvent, type NewIntent } from '@buckets/contracts';
import { PositionMoved, type Log, type Projector } from '@buckets/log';
import { Backoff } from '@buckets/service';
import type { DataSource } from 'typeorm';
import { ThingStateRow } from '../tables/entities.js';
import { Rejection } from './rejection.js';
import type { ThingStates } from './thing-state.js';

export interface Decided {
  events: readonly NewEvent[];
  intents?: readonly NewIntent[];
}

export interface Outcome<V extends Decided> {
  verdict: V;
  /** As stored; empty when nothing followed. */
  logged: LoggedEvent[];
  /** What a read has to have reached to see it. */
  position: number;
}

export interface DecideOptions {
  /** A position that the state must have reached, such as that of the intent which an ask is about. */
  after?: number;
  causationId?: string;
  /** Whether to wait until the tables show what was decided, for a caller who reads them next. Default true. */
  readable?: boolean;
}

const MAX_TRIES = 6;
const BETWEEN_TRIES = new Backoff({ firstMs: 4, maxMs: 100 });

/**
 * Decides commands and claims, one at a time per thing in this process, and against other copies by position: of two
 * that decide on the same state one appends; the other waits for the newer state and decides again.
 */
export class Decider {
  private readonly tails = new Map<string, Promise<unknown>>();
  /** Where this copy has last appended to things, as far as the tables may not show it yet: the next turn begins there. */
  private readonly appended = new Map<string, number>();

  constructor(
    private readonly log: Log,
    private readonly jsm: JetStreamManager,
    private readonly data: DataSource,
    private readonly projector: Projector,
  ) {}

  /**
   * @throws whatever `decide` throws, and {Rejection} `too-busy` when others were faster too often
   */
  async decide<T extends EventThing, V extends Decided>(
    thing: T,
    id: string,
    decide: (state: ThingStates[T] | null) => V | Promise<V>,
    { after = 0, causationId, readable = true }: DecideOptions = {},
  ): Promise<Outcome<V>> {
    const key = `${thing}/${id}`;
    return this.inTurn(key, async () => {
      let known = Math.max(after, this.appended.get(key) ?? 0);
      for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
        await this.projector.waitFor(known);
        const { state, position } = await this.stateOf(thing, id);
        const verdict = await decide(state);
        if (verdict.events.length === 0) return { verdict, logged: [], position };
        try {
          const logged = await this.log.append({
            thing,
            id,
            expected: position,
            events: verdict.events,
            ...(verdict.intents === undefined ? {} : { intents: verdict.intents }),
            ...(causationId === undefined ? {} : { causationId }),
          });
          const last = logged.at(-1)!.position;
          this.remember(key, last);
          if (readable) await this.projector.waitFor(last);
          return { verdict, logged, position: last };
        } catch (error) {
          if (!(error instanceof PositionMoved)) throw error;
          known = await this.lastPositionOf(thing, id);
          await pause(BETWEEN_TRIES.delayMs(attempt));
        }
      }
      throw new Rejection('too-busy', 'Others keep changing the same thing. Try again in a moment.', 503);
    });
  }

  /** The state with everything in it that was appended before the call, by whichever copy of the API. */
  async currentStateOf<T extends EventThing>(thing: T, id: string): Promise<ThingStates[T] | null> {
    await this.projector.waitFor(await this.lastPositionOf(thing, id));
    return (await this.stateOf(thing, id)).state;
  }

  async stateOf<T extends EventThing>(
    thing: T,
    id: string,
  ): Promise<{ state: ThingStates[T] | null; position: number }> {
    const row = await this.data.getRepository(ThingStateRow).findOneBy({ thing, id });
    return row === null
      ? { state: null, position: 0 }
      : { state: row.state as unknown as ThingStates[T], position: row.position };
  }

  private async lastPositionOf(thing: EventThing, id: string): Promise<number> {
    const last = await this.jsm.streams.getMessage(STREAM.log, { last_by_subj: subjects.eventsOf(thing, id) });
    return last?.seq ?? 0;
  }

  private remember(key: string, position: number): void {
    this.appended.delete(key);
    this.appended.set(key, position);
    for (const [oldest, shown] of this.appended) {
      if (shown > this.projector.position) break;
      this.appended.delete(oldest);
    }
  }

  private async inTurn<R>(key: string, work: () => Promise<R>): Promise<R> {
    const before = this.tails.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    const tail = turn.catch(() => undefined);
    this.tails.set(key, tail);
    try {
      return await turn;
    } finally {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    }
  }
}
