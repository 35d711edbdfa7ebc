import type { Response } from 'express';
import { Problem } from '@buckets/service';
import { ownerBehind, type Caller } from './caller.js';

/** How many of one thing may be under way at once. */
export interface RoomFor {
  /** Of one user, with whichever tokens. */
  user: number;
  /** Of all users together: what is left is for those whose say reaches the fleet. */
  users: number;
  /** Of one token whose say reaches the fleet. */
  fleetCaller: number;
  /** Of all but the administrator, who always gets in. */
  all: number;
}

/** Room for what lasts, or holds memory, while it is under way: nobody takes all of it alone, nor do all users together. */
export class Room {
  private readonly taken = new Map<string, number>();
  private ofUsers = 0;
  private ofAll = 0;

  /** @param what is under way, in the plural */
  constructor(
    private readonly what: string,
    private readonly most: RoomFor,
  ) {}

  /**
   * Takes a place, until the answer is over.
   *
   * @throws {Problem} `too-many-at-once` for a caller who has a share of it under way already, `too-busy`
   */
  hold(caller: Caller, answer: Pick<Response, 'closed' | 'once'>): void {
    if (caller.kind === 'admin') return;
    const user = ownerBehind(caller);
    const [share, most] = user === undefined ? [caller.name, this.most.fleetCaller] : [`of ${user}`, this.most.user];
    const taken = this.taken.get(share) ?? 0;
    if (taken >= most) throw this.tooManyAtOnce(most);
    if (this.ofAll >= this.most.all || (user !== undefined && this.ofUsers >= this.most.users)) throw this.tooBusy();
    if (answer.closed) return;
    this.change(share, user !== undefined, 1);
    answer.once('close', () => this.change(share, user !== undefined, -1));
  }

  private change(share: string, isUsers: boolean, by: 1 | -1): void {
    this.ofAll += by;
    if (isUsers) this.ofUsers += by;
    const taken = (this.taken.get(share) ?? 0) + by;
    if (taken === 0) this.taken.delete(share);
    else this.taken.set(share, taken);
  }

  private tooManyAtOnce(most: number): Problem {
    const detail = `${most} of your ${this.what} are under way already. Wait until one of them is over.`;
    return new Problem({ code: 'too-many-at-once', status: 429, detail, retryAfterSeconds: 5 });
  }

  private tooBusy(): Problem {
    const detail = `Too many ${this.what} are under way, of others. Try again in a moment.`;
    return new Problem({ code: 'too-busy', status: 503, detail, retryAfterSeconds: 5 });
  }
}
