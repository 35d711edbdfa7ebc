import { MAX_DAMAGED_BACKUPS, MAX_LISTED, type Grant } from '@buckets/contracts';
import { undecided, type BackupLook, type Project } from '../state/backups-at-hand.js';
import type { KnownBackup } from '../state/known-backup.js';
import type { OpenOperation } from '../state/project-state.js';

/** What {@link grantedBackups} goes by. */
export function lookForGrant({ kind, params }: OpenOperation): BackupLook {
  const damaged = { damaged: MAX_DAMAGED_BACKUPS };
  const named = params['backupId'];
  switch (kind) {
    case 'backup':
      return { choices: true, ...damaged };
    case 'restore':
    case 'start':
      return named === undefined ? { choices: true, ...damaged } : { ids: [String(named)] };
    case 'verify':
      return damaged;
    case 'tidy':
      return { inDoubt: MAX_LISTED };
    default:
      return {};
  }
}

/** What an attempt is told of the project's backups. */
export interface GrantedBackups extends Pick<Grant, 'undecided' | 'inDoubt' | 'damage' | 'damagedBackups'> {
  restore?: KnownBackup;
  newest?: KnownBackup;
}

export function grantedBackups(project: Project, open: OpenOperation): GrantedBackups {
  const { kind, params } = open;
  switch (kind) {
    case 'backup': {
      const newest = project.backups.newest('restorable');
      return { ...(newest && { newest }), ...damageOf(project, project.backups.some('damaged')) };
    }
    case 'restore':
    case 'start': {
      const named = params['backupId'];
      const choices = named === undefined ? undecided(project) : null;
      const restore =
        named !== undefined
          ? project.backups.get(String(named))
          : choices === null
            ? project.backups.newest('good')
            : undefined;
      const damaged = restore === undefined && named === undefined ? project.backups.some('damaged') : [];
      return {
        ...(restore && { restore }),
        ...(choices === null || kind === 'restore' ? {} : { undecided: choices }),
        // What is damaged since it was asked for is not what was asked for: bringing back less might replace more.
        ...damageOf(project, restore !== undefined && wasDamagedThen(restore, open) ? [restore] : damaged),
      };
    }
    case 'verify':
      return damageOf(project, project.backups.some('damaged'));
    case 'tidy':
      return { inDoubt: project.backups.some('inDoubt').map(({ id }) => id) };
    default:
      return {};
  }
}

/** As much as can be read is wanted of a backup that was known to be damaged when it was asked for. */
function wasDamagedThen({ damagedPosition }: KnownBackup, { requestedPosition }: OpenOperation): boolean {
  return damagedPosition !== undefined && damagedPosition < requestedPosition;
}

function damageOf({ damage }: Project, damaged: readonly KnownBackup[]): Pick<Grant, 'damage' | 'damagedBackups'> {
  return {
    ...(damage === undefined ? {} : { damage }),
    ...(damaged.length === 0 ? {} : { damagedBackups: damaged.map(({ id }) => id) }),
  };
}
