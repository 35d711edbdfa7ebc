import { setTimeout as pause } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { STREAM, subjects, type EventThing, type LoggedEvent, type NewEvent, type NewIntent } from '@buckets/contracts';
import { PositionMoved, ProjectionBehind, type Log, type Projector } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { DataSource } from 'typeorm';
import { ThingStateRow } from '../tables/entities.js';
import { Rejection } from '../problems/rejection.js';
import { BackupsAtHand, isLook, type BackupLook, type Project } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';
import { evolveThing, type ThingStates } from '../state/thing-state.js';
import { lookUp } from '../tables/look-up.js';
import { CONTROL_PLANE, tooBusy, Turns, type Asker } from './turns.js';

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
  /** Of the state that was decided on. */
  decidedAt: number;
}

export interface DecideOptions {
  /** A position that the state must have reached, such as that of the intent which an ask is about. */
  after?: number;
  /** The last event of the thing that whoever asks had seen: nothing is decided when there is a later one. */
  asOf?: number | undefined;
  causationId?: string;
  /** In whose turn it is decided. Default: the control plane's. */
  by?: Asker | undefined;
  /** Whether the decision reads tables beside the state: they have to show all that was decided before. Default true. */
  readsTables?: boolean;
  /** Whether to wait until the tables show what was decided, for a caller who reads them next. Default true. */
  readable?: boolean;
}

/** A state, and the position of the last event in it. */
interface At<State> {
  state: State | null;
  position: number;
}
type StateAt<T extends EventThing> = At<ThingStates[T]>;

const MAX_TRIES = 6;
const MAX_KNOWN = 500;
const BETWEEN_TRIES = new Backoff({ firstMs: 4, maxMs: 100 });

/**
 * Decides commands and claims, one at a time per thing in this process, and against other copies by position: of two
 * that decide on the same state one appends; the other waits for the newer state and decides again.
 */
export class Decider {
  private readonly turns = new Turns();
  /** The things decided on lately, as of their last event: the one that was moved on longest ago first. */
  private readonly known = new Map<string, { state: object | null; position: number }>();

  constructor(
    private readonly log: Log,
    private readonly jsm: JetStreamManager,
    private readonly data: DataSource,
    private readonly projector: Projector,
    /** Is told of what this copy has stated. */
    private readonly stated: (events: readonly LoggedEvent[]) => void = () => undefined,
  ) {}

  /**
   * Decides on the state with everything in it that any copy has appended before: that nothing follows from a claim is
   * never checked again, so it must not be found on a state that lacks what the claim is about.
   *
   * @throws whatever `decide` throws, and {Rejection} `too-busy` when others were faster too often, `too-many-waiting`,
   * `moved-on`
   * @throws {ProjectionBehind} when the tables do not show in time what was appended before
   */
  async decide<T extends EventThing, V extends Decided>(
    thing: T,
    id: string,
    decide: (state: ThingStates[T] | null) => V | Promise<V>,
    options: DecideOptions = {},
  ): Promise<Outcome<V>> {
    const { readsTables = true, after } = options;
    const read = (trusted?: StateAt<T>) =>
      trusted ?? (readsTables ? this.tabledOf(thing, id, after) : this.currentOf(thing, id, after));
    return this.decideOn(thing, id, read, decide, options);
  }

  /**
   * The same of a project, with what a look finds of its backups: state and backups are as of one position.
   *
   * @throws as {@link decide} does
   */
  async decideWithBackups<V extends Decided>(
    projectId: string,
    look: BackupLook,
    decide: (project: Project | null) => V | Promise<V>,
    options: DecideOptions = {},
  ): Promise<Outcome<V>> {
    if (!isLook(look)) {
      const blind = (state: ProjectState | null) => decide(state && { ...state, backups: new BackupsAtHand({}, {}) });
      return this.decide('project', projectId, blind, options);
    }
    const read = async (trusted?: StateAt<'project'>) => {
      const last = trusted?.position ?? (await this.lastPositionOf('project', projectId));
      return this.projectAt(projectId, look, { last, after: options.after });
    };
    return this.decideOn('project', projectId, read, decide, options);
  }

  private async decideOn<T extends EventThing, State extends object, V extends Decided>(
    thing: T,
    id: string,
    read: (trusted?: StateAt<T>) => At<State> | Promise<At<State>>,
    decide: (state: State | null) => V | Promise<V>,
    options: DecideOptions,
  ): Promise<Outcome<V>> {
    const { by = CONTROL_PLANE, after, readsTables = true } = options;
    // Out of turn: it is the word of whoever asks, and may never come.
    const needsTables = readsTables || this.rememberedOf(thing, id) === undefined;
    if (after !== undefined && needsTables) await this.projector.waitFor(after);
    const outcome = await this.turns.take(`${thing}/${id}`, by, () => this.decideNow(thing, id, read, decide, options));
    // Out of turn: a host's ask about what was decided need not wait for the tables.
    if (options.readable ?? true) await this.projector.waitFor(outcome.position);
    return outcome;
  }

  private async decideNow<T extends EventThing, State extends object, V extends Decided>(
    thing: T,
    id: string,
    read: (trusted?: StateAt<T>) => At<State> | Promise<At<State>>,
    decide: (state: State | null) => V | Promise<V>,
    { asOf, causationId, readsTables = true }: DecideOptions,
  ): Promise<Outcome<V>> {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      // Taken on trust at first: an append finds out whether others have moved the thing on since.
      const trusted = readsTables || attempt > 1 ? undefined : this.rememberedOf(thing, id);
      const { state, position } = await read(trusted);
      if (asOf !== undefined && position > asOf) throw movedOn();
      const isCurrent = async () => trusted === undefined || position === (await this.lastPositionOf(thing, id));
      let verdict: V;
      try {
        verdict = await decide(state);
      } catch (error) {
        if (await isCurrent()) throw error;
        continue;
      }
      if (verdict.events.length === 0) {
        if (await isCurrent()) return { verdict, logged: [], position, decidedAt: position };
        continue;
      }
      try {
        const logged = await this.log.append({
          thing,
          id,
          expected: position,
          events: verdict.events,
          ...(verdict.intents === undefined ? {} : { intents: verdict.intents }),
          ...(causationId === undefined ? {} : { causationId }),
        });
        this.stated(logged);
        const last = logged.at(-1)!.position;
        this.remember(thing, id, { state: logged.reduce(evolveThing, folded(state)), position: last });
        return { verdict, logged, position: last, decidedAt: position };
      } catch (error) {
        if (!(error instanceof PositionMoved)) throw error;
        await pause(BETWEEN_TRIES.delayMs(attempt));
      }
    }
    throw tooBusy();
  }

  /** What was remembered of a log that may have been replaced meanwhile counts no more. */
  forget(): void {
    this.known.clear();
  }

  /** The state with everything in it that was appended before the call, by whichever copy of the API. */
  async currentStateOf<T extends EventThing>(thing: T, id: string): Promise<ThingStates[T] | null> {
    return (await this.currentOf(thing, id)).state;
  }

  /**
   * A project, and what a look finds of its backups, as of one position: with everything in it that was appended before the
   * call, or up to `at`.
   *
   * @throws {ProjectionBehind} when the tables do not get there in time
   */
  async projectWithBackups(projectId: string, look: BackupLook, at?: number): Promise<Project | null> {
    const last = at ?? (await this.lastPositionOf('project', projectId));
    return (await this.projectAt(projectId, look, { last })).state;
  }

  private async projectAt(
    projectId: string,
    look: BackupLook,
    { last, after = 0 }: { last: number; after?: number | undefined },
  ): Promise<At<Project>> {
    await this.haveReached(last, after);
    return this.notBehind(await lookUp(this.data, projectId, look), last);
  }

  async stateOf<T extends EventThing>(thing: T, id: string): Promise<StateAt<T>> {
    const row = await this.data.getRepository(ThingStateRow).findOneBy({ thing, id });
    return row === null
      ? { state: null, position: 0 }
      : { state: row.state as unknown as ThingStates[T], position: row.position };
  }

  /** From memory where this copy made the thing's last event itself: the tables need not be waited for then. */
  private async currentOf<T extends EventThing>(thing: T, id: string, after = 0): Promise<StateAt<T>> {
    const known = this.rememberedOf(thing, id);
    if (known?.position === (await this.lastPositionOf(thing, id))) return known!;
    return this.tabledOf(thing, id, after);
  }

  private rememberedOf<T extends EventThing>(thing: T, id: string): StateAt<T> | undefined {
    return this.known.get(`${thing}/${id}`) as StateAt<T> | undefined;
  }

  private async tabledOf<T extends EventThing>(thing: T, id: string, after = 0): Promise<StateAt<T>> {
    const last = await this.lastPositionOf(thing, id);
    await this.haveReached(last, after);
    return this.notBehind(await this.stateOf(thing, id), last);
  }

  /** Waits for what is in the log, and not for what is only said to be. */
  private async haveReached(last: number, after: number): Promise<void> {
    await this.projector.waitFor(last);
    await this.projector.waitFor(after, 0);
  }

  /** A crash of Postgres may have come in between. Nothing is decided on what it has left. */
  private notBehind<State>(found: At<State>, last: number): At<State> {
    if (found.position < last) throw new ProjectionBehind(this.projector.name, last, found.position);
    return found;
  }

  private remember(thing: EventThing, id: string, known: { state: object | null; position: number }): void {
    const key = `${thing}/${id}`;
    this.known.delete(key);
    this.known.set(key, known);
    const [oldest] = this.known.keys();
    if (this.known.size > MAX_KNOWN) this.known.delete(oldest!);
  }

  private async lastPositionOf(thing: EventThing, id: string): Promise<number> {
    const last = await this.jsm.streams.getMessage(STREAM.log, { last_by_subj: subjects.eventsOf(thing, id) });
    return last?.seq ?? 0;
  }
}

/** What was looked up beside it is of its own moment only. */
function folded(state: (object & { backups?: BackupsAtHand }) | null): object | null {
  if (state === null) return null;
  const { backups: _lookedUp, ...rest } = state;
  return rest;
}

function movedOn(): Rejection {
  return new Rejection('moved-on', 'Something has happened to it since it was looked at. Look again.', 503);
}
