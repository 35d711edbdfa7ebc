import {
  isRestorable,
  onceAccepted,
  type BackupRecorded,
  type LoggedEvent,
  type PartialReason,
  type Placed,
} from '@buckets/contracts';
import { maybeDeleted, type ProjectState } from './project-state.js';

/** What decisions need to know of a backup that was not deleted. One row each, found by index. */
export interface KnownBackup extends Placed {
  id: string;
  operationId: string;
  /** What is wrong with it as things stand: what was accepted is wrong no more. */
  partialBecause: PartialReason[];
  /** The operation that was to delete it, and ended without a word of its host: the backup may be gone. */
  maybeDeletedBy?: string;
  /**
   * It was found in the bucket beside backups of this log, and made under the present assignment, as after an older copy of
   * the log was put back: whether it is newer than those that were there is not known.
   */
  unplaced?: true;
  /** Where something of it was said to be lost; absent while it is whole. */
  damagedPosition?: number;
}

/** Whether a start may bring it back by itself. */
export function isGood({ partialBecause, damagedPosition }: KnownBackup): boolean {
  return damagedPosition === undefined && isRestorable(partialBecause);
}

/** The backups of one project, as far as an event is about them. */
export interface ProjectBackups {
  get(id: string): KnownBackup | undefined;
  /** Where a backup operation of the project was first allowed to begin; undefined where the log knows none. */
  beganPositionOf(operationId: string): number | undefined;
  put(backup: KnownBackup): void;
  delete(id: string): void;
  /** The same word on all of them but these; null where they are whole. */
  sweep(but: readonly string[], damagedPosition: number | null): void;
}

/** Changes the backups that an event is about. `before` is the state without the event. */
export function evolveBackups(backups: ProjectBackups, before: ProjectState, event: LoggedEvent<'project'>): void {
  const change = (id: string, changed: (backup: KnownBackup) => KnownBackup): void => {
    const backup = backups.get(id);
    if (backup !== undefined) backups.put(changed(backup));
  };
  switch (event.type) {
    case 'backup-recorded':
      backups.put(recorded(backups, before, event.data, event.position));
      return;
    case 'backup-accepted':
      change(event.data.backupId, ({ partialBecause, ...rest }) => ({
        ...rest,
        partialBecause: onceAccepted(partialBecause),
      }));
      return;
    case 'backup-found':
      change(event.data.backupId, ({ maybeDeletedBy: _found, ...rest }) => rest);
      return;
    case 'backups-damaged': {
      const { backupIds, othersBut } = event.data;
      for (const id of backupIds) change(id, (backup) => onceDamaged(backup, event.position));
      if (othersBut !== undefined) backups.sweep(othersBut, event.position);
      return;
    }
    case 'backups-healed': {
      const { backupIds, othersBut } = event.data;
      for (const id of backupIds) change(id, onceHealed);
      if (othersBut !== undefined) backups.sweep(othersBut, null);
      return;
    }
    case 'backup-deleted':
      backups.delete(event.data.backupId);
      return;
    default: {
      const inDoubt = maybeDeleted(before, event);
      if (inDoubt !== undefined) change(inDoubt.backupId, (backup) => ({ ...backup, maybeDeletedBy: inDoubt.by }));
    }
  }
}

/** It was damaged from the first time on that somebody said so. */
export function onceDamaged(backup: KnownBackup, position: number): KnownBackup {
  return { ...backup, damagedPosition: backup.damagedPosition ?? position };
}

export function onceHealed({ damagedPosition: _healed, ...backup }: KnownBackup): KnownBackup {
  return backup;
}

function recorded(
  backups: ProjectBackups,
  before: ProjectState,
  { backupId, operationId, partialBecause, recovered: found, counter }: BackupRecorded,
  position: number,
): KnownBackup {
  const beganPosition = backups.beganPositionOf(operationId) ?? 0;
  const { newest, generation } = before;
  const isUnplaced =
    found !== undefined && beganPosition === 0 && newest !== undefined && counter.generation >= generation;
  return {
    ...{ id: backupId, operationId, partialBecause, beganPosition, recordedPosition: position },
    ...(isUnplaced ? { unplaced: true } : {}),
  };
}
