import { setTimeout as pause } from 'node:timers/promises';
import type { OperationKind } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { DueKind } from '../when/due-moment.js';
import { LONGEST_RETRY_MS } from '../when/in-vain.js';
import type { DueItem, DueTables, Note, Turns, Wanted } from './due-tables.js';
import { Front } from './front.js';
import { PAUSES, type Outcome } from './pauses.js';
import { shareOut } from './turns.js';

/** What became of carrying work out: it was asked for, there is nothing to do as things stand, or not yet. */
export type CarriedOut = 'requested' | 'nothing-to-do' | 'not-yet';

/** A kind of work that falls due. */
export interface WorkOfKind {
  kind: DueKind;
  /** What settings add to the moments of the tables, in milliseconds. */
  afterMs: number;
  /** So much of one lane at once, and so many open operations of these kinds on its host, beyond which none is added. */
  perLane: number;
  counts: readonly OperationKind[];
  /**
   * Has it done; asked for twice, it is the same. `now` is the moment by which it is due.
   *
   * @throws {Refused} when it is not to be
   */
  carryOut: (item: DueItem, now: number) => Promise<CarriedOut>;
  /** What to say of work that could not be asked for. */
  failed: string;
  /** A refusal with this code is nothing to warn of. */
  expected?: string;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: Outcome) => void;
}

export interface DueWorkParts {
  tables: Pick<DueTables, 'ready' | 'note' | 'correct'>;
  /** The position in the log that the tables have reached. */
  position: () => number;
  /** Whether the tables have got to a position in the log; waits for it a little. */
  reaches: (position: number) => Promise<boolean>;
  /** The position at which the log ends. */
  endOfLog: () => Promise<number>;
  log: Pick<Logger, 'warn'>;
  /** How often it is looked for what is due, in milliseconds. */
  tickMs: number;
  /** So much is asked for between one look and the next. */
  atMost: number;
  /** Milliseconds of a clock that is never set; by default those of this process. */
  steadyNow?: () => number;
}

/** Requests under way at once; as many that fail one after the other are everybody's failure. */
export const AT_ONCE = 128;

/** So many notes of what became of work are kept until they can be made. */
const OWED_AT_MOST = 1_000;

/**
 * Has work of one kind done when it is due. Lanes take turns, a few pieces of work each; what is refused or fails is put
 * off by itself, longer each time, and keeps nobody waiting.
 *
 * Work is noted as asked for before it is: whoever dies in between leaves it to be asked for again, under the same key.
 * It goes by the tables, so a restart forgets nothing.
 */
export class DueWork {
  /** Who had the last turn. */
  private after = '';
  private readonly front = new Front();
  /** Where the log ended after the last request, and how far the tables were: those from before would ask for what is done. */
  private mustReach = 0;
  /** What became of work that somebody was changing: it would be held as asked for. */
  private owed: readonly Note[] = [];

  constructor(
    private readonly work: WorkOfKind,
    private readonly parts: DueWorkParts,
  ) {}

  /** Until the signal; what fails is tried again at the next tick. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    while (!signal.aborted) {
      try {
        while (await this.round(Date.now(), signal)) signal.throwIfAborted();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error, kind: this.work.kind }, 'What is due could not be looked for; trying again');
      }
      await pause(tickMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Asks for what is due, of those whose turn it is.
   *
   * @returns whether more may be due already
   */
  async round(now: number, signal?: AbortSignal): Promise<boolean> {
    const { tables, position, reaches, endOfLog, atMost } = this.parts;
    const { kind, perLane, counts, afterMs } = this.work;
    if (!(await reaches(this.mustReach))) {
      // A log that was put back may end before, and for good.
      this.mustReach = Math.min(this.mustReach, await endOfLog());
      return false;
    }
    this.mustReach = Math.max(this.mustReach, position());
    const wanted = { kind, until: now - afterMs };
    if (await tables.correct(wanted, now)) return true;
    await this.settle(this.owed);
    const { work, lanes } = await this.look(wanted, { after: this.after, atMost, perLane, counts });
    this.after = lanes.at(-1) ?? this.after;
    const [held, due] = partition(work, ({ heldUntil }) => isHeld(heldUntil, now));
    const chosen = shareOut(due, atMost);
    const { noted } = await tables.note(kind, [
      ...held.map((item) => ({ ...unchanged(item, item.attempts), notBefore: item.heldUntil! - afterMs })),
      ...chosen.map((item) => ({ ...this.pausing(item, 'requested', now), after: item.attempts })),
    ]);
    const mine = chosen.filter((item) => noted.has(item));
    const came = await this.carryOutAll(mine, now, signal);
    const left = mine.filter((item) => !came.has(item));
    await this.settle([
      ...this.owed,
      ...left.map((item) => unchanged(item, item.attempts + 1)),
      ...[...came.values()].filter((note) => note !== null),
    ]);
    if (came.size > 0) this.mustReach = Math.max(this.mustReach, await endOfLog());
    return left.length === 0 && noted.size > 0;
  }

  private async look(wanted: Wanted, turns: Turns): Promise<{ work: DueItem[]; lanes: string[] }> {
    const { tables, steadyNow = () => performance.now() } = this.parts;
    const beganAt = steadyNow();
    const from = this.front.from(beganAt);
    const looked = (first?: number) =>
      this.front.looked({ from, beganAt, endedAt: steadyNow(), ...(first === undefined ? {} : { first }) });
    try {
      const found = await tables.ready({ ...wanted, from }, turns);
      looked(found.first);
      return found;
    } catch (error) {
      looked();
      throw error;
    }
  }

  /** What to note of each that was carried out, null where the note that there is holds; those that nobody came to lack it. */
  private async carryOutAll(
    items: readonly DueItem[],
    now: number,
    signal?: AbortSignal,
  ): Promise<Map<DueItem, Note | null>> {
    const came = new Map<DueItem, Note | null>();
    const troubles: object[] = [];
    const waiting = items.values();
    let failedInARow = 0;
    const inTurn = async (): Promise<void> => {
      for (const item of waiting) {
        const { failed, note, error } = await this.carryOut(item, now);
        came.set(item, note);
        if (error !== undefined) troubles.push({ error, projectId: item.thingId, key: item.key });
        failedInARow = failed ? failedInARow + 1 : 0;
        if (failedInARow >= AT_ONCE || signal?.aborted === true) return;
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, inTurn));
    // One line for all of them: where the API is away, all fail.
    if (troubles.length > 0) this.parts.log.warn({ ...troubles[0], others: troubles.length - 1 }, this.work.failed);
    return came;
  }

  /** Never throws: `error` is something to warn of. */
  private async carryOut(item: DueItem, now: number): Promise<{ failed: boolean; note: Note | null; error?: unknown }> {
    const { carryOut, expected, ended } = this.work;
    try {
      switch (await carryOut(item, now)) {
        case 'nothing-to-do':
          return { failed: false, note: { item, after: item.attempts + 1, notBefore: Infinity, attempts: 0 } };
        case 'not-yet':
          return { failed: false, note: this.pausing(item, 'failed', now) };
        case 'requested':
          ended?.('requested');
          return { failed: false, note: null };
      }
    } catch (error) {
      const isFinal = error instanceof Refused && !error.refusal.retry;
      const outcome = isFinal ? 'refused' : 'failed';
      const note = this.pausing(item, outcome, now);
      if (isFinal && error.code === expected) return { failed: false, note };
      ended?.(outcome);
      return { failed: !isFinal, note, error };
    }
  }

  /** After it was noted as asked for. */
  private pausing(item: DueItem, outcome: Outcome, now: number): Note {
    const attempts = item.attempts + 1;
    return { item, after: attempts, notBefore: now - this.work.afterMs + PAUSES[outcome].delayMs(attempts), attempts };
  }

  /** Notes what became of work, now or in the next round: who changes a row meanwhile may leave it the same work. */
  private async settle(notes: readonly Note[]): Promise<void> {
    this.owed = notes.slice(-OWED_AT_MOST);
    const { locked } = await this.parts.tables.note(this.work.kind, notes);
    this.owed = this.owed.filter(({ item }) => locked.has(item));
  }
}

/** As due as it was. */
function unchanged(item: DueItem, after: number): Note {
  return { item, after, notBefore: null, attempts: item.attempts };
}

/** What is held for longer than anything is held, a clock that was wrong holds. */
function isHeld(heldUntil: number | null, now: number): boolean {
  return heldUntil !== null && heldUntil > now && heldUntil - now <= 2 * LONGEST_RETRY_MS;
}

function partition<T>(all: readonly T[], first: (each: T) => boolean): [T[], T[]] {
  return [all.filter(first), all.filter((each) => !first(each))];
}
