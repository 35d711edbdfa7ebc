import { isRestorable, type RestoreChoices } from '@buckets/contracts';
import { isGood, type KnownBackup } from './known-backup.js';
import type { ProjectState } from './project-state.js';

/** Which of a project's backups a decision has to know. All of it is bounded, whatever the project's history. */
export interface BackupLook {
  /** These, as far as they are known; so many that one message names them. */
  ids?: readonly string[];
  /** The one that this operation is to delete, or may have deleted. */
  deletion?: string;
  /** The newest of each sort that the product chooses from: {@link ChoiceSort}; of those to restore the next one, too. */
  choices?: boolean;
  /** The first so many, by their ids, that a deletion may have removed. */
  inDoubt?: number;
  /** The newest so many of which something is lost. */
  damaged?: number;
  /** The newest so many of which nothing is lost. */
  whole?: number;
  /** So many whose ids come after this one, in the order of their ids. */
  page?: { after: string; most: number };
}

/**
 * Of the backups that are there as far as is known, none that somebody deletes, or may have deleted: all of them; those that
 * are not suddenly small; those of which nothing is lost either; and of these the ones whose place among the others nobody
 * knows.
 */
export const CHOICE_SORTS = ['newest', 'restorable', 'good', 'unplaced'] as const;
export type ChoiceSort = (typeof CHOICE_SORTS)[number];

/** Whether there is anything to look for. */
export function isLook(look: BackupLook): boolean {
  return Object.values(look).some((wanted) => wanted !== undefined && wanted !== false);
}

/** What a look has found. */
export type FoundBackups = Partial<
  Record<'ids' | 'deletion' | 'inDoubt' | 'damaged' | 'whole' | 'page' | ChoiceSort, readonly KnownBackup[]>
>;

/**
 * What is known of a project's backups, as of the state that is decided on. What was not looked for is not known to be
 * missing: whoever asks for it gets an error.
 */
export class BackupsAtHand {
  private readonly byId: ReadonlyMap<string, KnownBackup>;
  private readonly asked: ReadonlySet<string>;

  constructor(
    private readonly look: BackupLook,
    private readonly found: FoundBackups,
  ) {
    this.asked = new Set(look.ids);
    this.byId = new Map(found.ids?.map((backup) => [backup.id, backup]));
  }

  get(id: string): KnownBackup | undefined {
    if (!this.asked.has(id)) throw new NotLookedFor('ids');
    return this.byId.get(id);
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** The backup that the operation is to delete, or may have deleted. */
  ofDeletion(operationId: string): KnownBackup | undefined {
    if (this.look.deletion !== operationId) throw new NotLookedFor('deletion');
    return this.found.deletion?.at(0);
  }

  /** The newest of a sort. */
  newest(sort: ChoiceSort): KnownBackup | undefined {
    if (this.look.choices !== true) throw new NotLookedFor('choices');
    return this.found[sort]?.at(0);
  }

  /** Whether it is the only one of a sort. */
  isOnly(sort: 'restorable' | 'good', id: string): boolean {
    return this.newest(sort)?.id === id && this.found[sort]?.length === 1;
  }

  /** As many as were looked for, or all that there are. */
  some(which: 'inDoubt' | 'damaged' | 'whole' | 'page'): readonly KnownBackup[] {
    if (this.look[which] === undefined) throw new NotLookedFor(which);
    return this.found[which] ?? [];
  }
}

/** A decision needs what its look left out: a fault of this program. */
export class NotLookedFor extends Error {
  override readonly name = 'NotLookedFor';

  constructor(what: keyof BackupLook) {
    super(`A decision needs backups that it was not looked for: ${what}.`);
  }
}

/** What is decided on where backups matter: the state, and of the backups what the decision looks up. */
export type Project = ProjectState & { readonly backups: BackupsAtHand };

/**
 * The backup that the product chooses: the newest that holds everything, or lacks no more than files that could not be
 * read. One that is suddenly empty or shrunken is restored only when asked for by id, or once it is accepted; one that is
 * damaged, when asked for by id.
 */
export function backupToRestore({ backups }: Project): string | null {
  return backups.newest('good')?.id ?? null;
}

/** The backup that says how large the project was, which a damaged one still does. */
export function backupToCompareWith({ backups }: Project): string | null {
  return backups.newest('restorable')?.id ?? null;
}

/**
 * What somebody has to choose from before data are restored: newer backups than the good one are flagged, or damaged, or
 * one was found in the bucket of which nobody knows whether it is newer.
 */
export function undecided({ backups }: Project): RestoreChoices | null {
  const [newest, good] = [backups.newest('newest'), backups.newest('good')];
  if (newest === undefined || good === undefined) return null;
  if (!isGood(newest)) return choicesOf(good, newest);
  const rival = newest.unplaced ? undefined : backups.newest('unplaced');
  // What began after it was found is newer for certain.
  const isRival = rival !== undefined && rival.recordedPosition > newest.beganPosition;
  return isRival ? choicesOf(newest, rival) : null;
}

/**
 * What only a person may delete: what a start may bring back, which is the backup that the product chooses and one of which
 * nobody knows whether it is newer; where there is none, the best of what there is.
 */
export function keptFromTheSchedule(project: Project): string[] {
  const [chosen, choices] = [backupToRestore(project) ?? backupToCompareWith(project), undecided(project)];
  const rival = choices !== null && choices.newer.damaged !== true && isRestorable(choices.newer.partialBecause);
  return [...(chosen === null ? [] : [chosen]), ...(rival ? [choices.newer.backupId] : [])];
}

/**
 * Whether without this backup there would be none that the product restores by itself; where there is no such one, none that
 * lacks no more than some files.
 */
export function isLastGood({ backups }: Project, backupId: string): boolean {
  return backups.isOnly(backups.newest('good') === undefined ? 'restorable' : 'good', backupId);
}

function choicesOf(older: KnownBackup, { id, partialBecause, damagedPosition }: KnownBackup): RestoreChoices {
  return {
    older: { backupId: older.id },
    newer: { backupId: id, partialBecause, ...(damagedPosition === undefined ? {} : { damaged: true }) },
  };
}
