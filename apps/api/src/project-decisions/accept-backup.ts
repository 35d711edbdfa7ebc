import { isRestorable } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { Project } from '../state/backups-at-hand.js';
import { isBeingForgotten } from '../state/project-state.js';
import { existing, facts, knownBackup, NOTHING, type Verdict } from './verdict.js';

/**
 * Somebody says that a backup, suddenly empty or shrunken, is how the project is now: it is as good as any from then on.
 * One that is good already is left as it is.
 *
 * @throws {Rejection} `backup-not-found`, `backup-being-deleted`, `backup-in-doubt`
 */
export function acceptBackup(
  state: Project | null,
  projectId: string,
  { backupId, requestedBy }: { backupId: string; requestedBy: string },
): Verdict {
  const project = existing(state, projectId);
  const { partialBecause, maybeDeletedBy } = knownBackup(project, backupId);
  if (isBeingForgotten(project, backupId)) {
    throw new Rejection('backup-being-deleted', 'This backup is being deleted. Accept another one.', 409);
  }
  if (maybeDeletedBy !== undefined) {
    throw new Rejection(
      'backup-in-doubt',
      'A deletion of this backup may have taken effect. It is being looked for: try again in some minutes.',
      409,
    );
  }
  if (isRestorable(partialBecause)) return NOTHING;
  return facts({ thing: 'project', type: 'backup-accepted', data: { backupId, because: 'asked-for', requestedBy } });
}
