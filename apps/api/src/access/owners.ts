import type { ProjectRole } from '@buckets/contracts';
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
    if (wanted.ownerId !== undefined && wanted.ownerId !== own)
      throw beyond('projects of another owner: leave ownerId out');
    if (wanted.id !== undefined) throw beyond('a project with an id of its own choice: leave id out');
    if (wanted.bucketId !== undefined) throw beyond('a project in a bucket of its own choice: leave bucketId out');
    if (wanted.adopt === true) throw beyond('a project of data that stand on a host already: leave adopt out');
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
    throw new Rejection('user-not-found', `There is no user ${userId}. ${this.howToName(userId, caller)}`, 404);
  }

  /**
   * A role below owner is for people: nobody comes in by it under a name of the platform, as the API keys of an owner are for
   * what is that owner's, and for nothing else that the owner may see.
   *
   * @throws {Rejection} `role-without-effect`
   */
  mustComeIn(userId: string, role: ProjectRole): void {
    if (role === 'owner' || looksLikeUserId(userId)) return;
    throw new Rejection(
      'role-without-effect',
      `Nobody would come in as ${userId} by the role ${role}: that is a name of the platform's own, and API keys with it as ` +
        'ownerId are for what is its own. Make it an owner; or name a person by the id that begins with u-, which ' +
        'GET /v1/me shows to them and POST /v1/user-ids tells.',
      409,
    );
  }

  private howToName(userId: string, { kind }: Caller): string {
    if (!looksLikeUserId(userId)) {
      return `Name a person by the id that begins with u-, ${shownTo(kind)}. Other names can be given only by those whose say reaches the fleet.`;
    }
    if (this.userIds === undefined)
      return 'Ids that begin with u- are of people of an OIDC issuer, and none is set up here.';
    return `It may be mistyped: people are named by the id ${shownTo(kind)}.`;
  }
}

/** To a key GET /v1/me shows the key's own id, which names no user. */
function shownTo(kind: Caller['kind']): string {
  const me = 'that GET /v1/me shows to them, asked with a JWT of their own';
  return kind === 'user' ? me : `${me}, or that POST /v1/user-ids tells`;
}

function beyond(what: string): Rejection {
  return new Rejection('forbidden', `This token cannot make ${what}.`, 403);
}
