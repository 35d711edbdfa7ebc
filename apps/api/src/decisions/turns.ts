import { Rejection } from '../problems/rejection.js';

/** The control plane and callers who reach the fleet; hosts; owners; other members. */
type Rank = 'fleet' | 'host' | 'owner' | 'member';

/** On whose word something is decided. */
export interface Asker {
  readonly rank: Rank;
  /**
   * Whose share of what waits it takes: one user has one, with whichever token they ask, and so has a host. Left out: it is
   * not counted.
   */
  readonly share?: string | undefined;
}

export const CONTROL_PLANE: Asker = { rank: 'fleet' };

/** Whose the project is shows only in its turn: what a host asks for is its word alone. */
export function byHost(hostId: string): Asker {
  return { rank: 'host', share: `host/${hostId}` };
}

/** Whose turns come first. People and hosts take turns with each other, so that neither keep the other waiting. */
const ORDER: readonly Rank[] = ['fleet', 'host', 'owner', 'member'];
const ORDER_AFTER_A_HOST: readonly Rank[] = ['fleet', 'owner', 'member', 'host'];

/** Of each rank that wait for the same thing, of one share, and how many milliseconds. */
const MAX_WAITING = 100;
const MAX_OF_A_SHARE = 10;
const TURN_WITHIN_MS = 5_000;

interface Waiting extends Asker {
  begin: () => void;
}

interface Queue {
  /** In the order in which they came. */
  waiting: Waiting[];
  /** Whether the last turn that was not the fleet's was a host's. */
  isAfterHost: boolean;
}

/**
 * One at a time for each thing. Each rank has room of its own: however much members ask for, they keep no owner away; owners
 * and hosts keep nobody away who runs the fleet, nor each other. Whoever has waited too long goes away undone.
 */
export class Turns {
  /** Who waits for what is at work on. */
  private readonly queues = new Map<string, Queue>();

  constructor(private readonly withinMs = TURN_WITHIN_MS) {}

  /**
   * @returns what the work returns
   * @throws {Rejection} `too-busy`, and `too-many-waiting` where so many of the same share wait already
   */
  async take<R>(key: string, asker: Asker, work: () => Promise<R>): Promise<R> {
    const queue = this.queues.get(key);
    if (queue === undefined) this.queues.set(key, { waiting: [], isAfterHost: asker.rank === 'host' });
    else await this.turnIn(queue, asker);
    try {
      return await work();
    } finally {
      const next = takeNext(this.queues.get(key)!);
      if (next === undefined) this.queues.delete(key);
      else next.begin();
    }
  }

  private async turnIn({ waiting }: Queue, { rank, share }: Asker): Promise<void> {
    const ofRank = waiting.filter((each) => each.rank === rank);
    if (share !== undefined && ofRank.filter((each) => each.share === share).length >= MAX_OF_A_SHARE) {
      throw tooManyWaiting();
    }
    if (ofRank.length >= MAX_WAITING) throw tooBusy();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = setTimeout(() => {
      waiting.splice(waiting.indexOf(mine), 1);
      reject(tooBusy());
    }, this.withinMs);
    const begin = (): void => {
      clearTimeout(giveUp);
      resolve();
    };
    const mine: Waiting = { rank, share, begin };
    waiting.push(mine);
    return promise;
  }
}

function takeNext(queue: Queue): Waiting | undefined {
  const { waiting, isAfterHost } = queue;
  const order = isAfterHost ? ORDER_AFTER_A_HOST : ORDER;
  const rank = order.find((each) => waiting.some((one) => one.rank === each));
  if (rank === undefined) return undefined;
  if (rank !== 'fleet') queue.isAfterHost = rank === 'host';
  const [next] = waiting.splice(
    waiting.findIndex((one) => one.rank === rank),
    1,
  );
  return next;
}

export function tooBusy(): Rejection {
  return new Rejection('too-busy', 'Others keep changing the same thing. Try again in a moment.', 503);
}

function tooManyWaiting(): Rejection {
  const detail = `${MAX_OF_A_SHARE} of your requests wait for the same thing already. Wait for their answers.`;
  return new Rejection('too-many-waiting', detail, 429);
}
