import type { DueMoment } from './due-moment.js';
import { afterVain, type InVain } from './in-vain.js';

/** What the log says of looks at a project's repository. Moments are milliseconds since 1970. */
export interface VerifiedProject {
  id: string;
  /** When it was last looked at as a whole, or had its first backup; null while there is none. */
  verifiedAt: number | null;
  /** Where the last verification ended; null when there was none. */
  lastPosition: number | null;
  /** The verifications that did not come to look. */
  inVain: InVain | undefined;
  /** One is under way. */
  verifying: boolean;
}

/**
 * When a repository is to be looked at, the interval aside: one that could not be looked at stays as due as it was, and
 * waits for its next turn. Pure.
 */
export function dueVerification(project: VerifiedProject): DueMoment[] {
  const { id, verifiedAt, lastPosition, inVain, verifying } = project;
  if (verifiedAt === null || verifying) return [];
  const key = [id, 'verify', verifiedAt, ...(lastPosition === null ? [] : [lastPosition])].join('/');
  return [{ kind: 'verification', key, dueAt: verifiedAt, heldUntil: afterVain(inVain), waitsMs: 0 }];
}
