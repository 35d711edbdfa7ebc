import { Rejection } from '../problems/rejection.js';

/** Whose turns come first: those of the control plane and of callers who reach the fleet, of owners, of other members. */
export const RANKS = ['fleet', 'owner', 'member'] as const;

/** On whose word something is decided. */
export interface Asker {
  readonly rank: (typeof RANKS)[number];
  /** Whose share of what waits it takes: one user has one, with whichever token they ask. Left out: it is not counted. */
  readonly share?: string | undefined;
}

export const CONTROL_PLANE: Asker = { rank: 'fleet' };

/** Of each rank that wait for the same thing, of one share, and how many milliseconds. */
const MAX_WAITING = 100;
const MAX_OF_A_SHARE = 10;
const TURN_WITHIN_MS = 5_000;

interface Waiting extends Asker {
  begin: () => void;
}

/**
 * One at a time for each thing. Each rank has room of its own and goes before those below: however much members ask for,
 * they keep no owner away, and owners keep nobody away who runs the fleet. Whoever has waited too long goes away undone.
 */
export class Turns {
  /** Who waits for what is at work on, in the order of their turns. */
  private readonly queues = new Map<string, Waiting[]>();

  constructor(private readonly withinMs = TURN_WITHIN_MS) {}

  /**
   * @returns what the work returns
   * @throws {Rejection} `too-busy`, and `too-many-waiting` where so many of the same share wait already
   */
  async take<R>(key: string, asker: Asker, work: () => Promise<R>): Promise<R> {
    const queue = this.queues.get(key);
    if (queue === undefined) this.queues.set(key, []);
    else await this.turnIn(queue, asker);
    try {
      return await work();
    } finally {
      const next = this.queues.get(key)!.shift();
      if (next === undefined) this.queues.delete(key);
      else next.begin();
    }
  }

  private async turnIn(queue: Waiting[], { rank, share }: Asker): Promise<void> {
    const ofRank = queue.filter((each) => each.rank === rank);
    if (share !== undefined && ofRank.filter((each) => each.share === share).length >= MAX_OF_A_SHARE) {
      throw tooManyWaiting();
    }
    if (ofRank.length >= MAX_WAITING) throw tooBusy();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = setTimeout(() => {
      queue.splice(queue.indexOf(mine), 1);
      reject(tooBusy());
    }, this.withinMs);
    const begin = (): void => {
      clearTimeout(giveUp);
      resolve();
    };
    const mine: Waiting = { rank, share, begin };
    const below = queue.findIndex((each) => RANKS.indexOf(each.rank) > RANKS.indexOf(rank));
    queue.splice(below === -1 ? queue.length : below, 0, mine);
    return promise;
  }
}

export function tooBusy(): Rejection {
  return new Rejection('too-busy', 'Others keep changing the same thing. Try again in a moment.', 503);
}

function tooManyWaiting(): Rejection {
  const detail = `${MAX_OF_A_SHARE} of your requests wait for the same thing already. Wait for their answers.`;
  return new Rejection('too-many-waiting', detail, 429);
}
