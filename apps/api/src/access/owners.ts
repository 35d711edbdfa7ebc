import { looksLikeUserId, type UserIds } from '../oidc/user-ids.js';
import { Rejection } from '../problems/rejection.js';
import { ownerBehind, type Caller } from './caller.js';

/** Who may be named as an owner or a member, by whom. */
export class Owners {
  /** @param userIds of the people of the OIDC issuer, where there is one */
  constructor(private readonly userIds: Pick<UserIds, 'knows'> | undefined) {}

  /**
   * What a caller has asked for as a new project, with its owner. An id that is taken, a bucket that there is, and data that
   * stand on a host, are no news for a caller who does not see the fleet.
   *
   * @throws {Rejection} `forbidden`, `user-not-found`
   */
  ofNew<Wanted extends { id?: string; ownerId?: string; bucketId?: string; adopt?: boolean }>(
    wanted: Wanted,
    caller: Caller,
  ): Wanted {
    const own = ownerBehind(caller);
    if (own === undefined) {
      if (wanted.ownerId !== undefined) this.mustKnow(wanted.ownerId, caller);
      return caller.kind === 'user' ? { ...wanted, ownerId: wanted.ownerId ?? caller.id } : wanted;
    }
    if (wanted.ownerId !== undefined && wanted.ownerId !== own) throw beyond('projects of another owner');
    if (wanted.id !== undefined) throw beyond('a project with an id of its own choice');
    if (wanted.bucketId !== undefined) throw beyond('a project in a bucket of its own choice');
    if (wanted.adopt === true) throw beyond('a project of data that stand on a host already');
    return { ...wanted, ownerId: own };
  }

  /**
   * People of the issuer are known by ids that were given out. Other words are names that the platform has for its owners:
   * only those whose say reaches the fleet can know them.
   *
   * @throws {Rejection} `user-not-found`
   */
  mustKnow(userId: string, caller: Caller): void {
    if (userId === ownerBehind(caller)) return;
    const known = looksLikeUserId(userId) ? this.userIds?.knows(userId) : caller.reach === 'fleet';
    if (known === true) return;
    throw new Rejection(
      'user-not-found',
      `There is no user ${userId}. Ask them for the id that GET /v1/me shows.`,
      404,
    );
  }
}

function beyond(what: string): Rejection {
  return new Rejection('forbidden', `This token cannot make ${what}.`, 403);
}
