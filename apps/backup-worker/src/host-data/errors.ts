import type { DataRootState, Root as RootName } from '@buckets/contracts';

/** What is wrong with the data of a host, or keeps them from being changed: a stable code, and what to do next. */
export abstract class HostDataError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Thrown when something that is not an id would become the name of a folder. */
export class InvalidIdError extends HostDataError {
  readonly code = 'invalid-id';

  constructor(id: string) {
    super(`${JSON.stringify(id.slice(0, 80))} is not an id: use lower-case letters, digits and dashes, 63 at most.`);
  }
}

/** What stands in a root's place although no record of this worker says so. */
export interface UnrecordedRoot {
  root: RootName;
  what: string;
}

/** Thrown when roots hold something that no record accounts for: it is kept, and nothing is restored over it. */
export class UnrecordedDataError extends HostDataError {
  readonly code = 'unrecorded-data';

  constructor(
    readonly projectId: string,
    readonly found: readonly UnrecordedRoot[],
  ) {
    const list = found.map(({ root, what }) => `${root}: ${what}`).join('; ');
    super(
      `The folder of project ${projectId} holds what this host has no record of (${list}). It is left as it is. ` +
        'Adopt it if these are the data of the project, or move it out of the way and try again.',
    );
  }
}

/** Thrown when what stands here came under another assignment, and was to be used, or to be built upon, under this one. */
export class OtherAssignmentError extends HostDataError {
  readonly code = 'other-assignment';

  constructor(
    readonly projectId: string,
    readonly generation: number,
  ) {
    super(
      `The folder of project ${projectId} holds the data of another assignment of it (generation ${generation}). They ` +
        'are left as they are. Restore a backup, which keeps them aside; or adopt them if they are what it is to go on with.',
    );
  }
}

/** Thrown when the disk does not say what is here of a project. Nothing is taken for missing then. */
export class ProjectUnreadableError extends HostDataError {
  readonly code = 'project-unreadable';

  constructor(
    readonly projectId: string,
    /** The system's name of the error, such as EIO. */
    readonly errno: string,
    cause: unknown,
  ) {
    super(
      `What this host has of project ${projectId} cannot be read (${errno}), so nothing was done to it. ` +
        'Check the disk or the mount that holds it.',
      { cause },
    );
  }
}

/** Thrown when the data root is not that of this host, such as when it is not mounted. */
export class DataRootMissingError extends HostDataError {
  readonly code = 'data-root-missing';

  constructor(
    message: string,
    /** What is so of it. */
    readonly state: Exclude<DataRootState, 'here'> = 'missing',
    /** It stays like that until somebody does what the message says. */
    readonly needsOperator = false,
  ) {
    super(message);
  }
}

/** Thrown when an empty project was to be created where data were once recorded. */
export class DataLostError extends HostDataError {
  readonly code = 'data-lost';

  constructor(
    readonly projectId: string,
    readonly missing: readonly RootName[],
  ) {
    super(
      `Project ${projectId} once had data here and ${missing.join(' and ')} is gone. Restore a backup; ` +
        'or ask for an empty project in so many words.',
    );
  }
}

/** Thrown when roots were to be adopted and one of them is not there. */
export class NothingToAdoptError extends HostDataError {
  readonly code = 'nothing-to-adopt';

  constructor(
    readonly projectId: string,
    readonly root: RootName,
  ) {
    super(`Project ${projectId} has no folder ${root} here. Put the data in place first, or restore a backup.`);
  }
}

/** Thrown when one root alone would be put in place while the other one is not there either. */
export class RootNotCoveredError extends HostDataError {
  readonly code = 'root-not-covered';

  constructor(
    readonly projectId: string,
    readonly missing: readonly RootName[],
  ) {
    super(`The restore of project ${projectId} would leave ${missing.join(' and ')} missing. Restore that root too.`);
  }
}

/** Thrown before a restore begins when the disk could not hold it. */
export class NotEnoughSpaceError extends HostDataError {
  readonly code = 'not-enough-space';

  constructor(
    readonly what: 'bytes' | 'inodes',
    readonly needed: number,
    readonly available: number,
  ) {
    super(
      `${needed} free ${what} are needed for this restore, those under way and the reserve, and this host has ` +
        `${available}. Free some space or move a project away, then try again.`,
    );
  }
}

/** Thrown when staging and projects are on different file systems, where no rename can swap them. */
export class OtherFileSystemError extends HostDataError {
  readonly code = 'other-file-system';

  constructor(readonly folder: string) {
    super(`${folder} is on another file system than the worker's staging folder. Put both on the same one.`);
  }
}

/** Thrown when a root that is to be swapped in is not in staging. */
export class StagedRootMissingError extends HostDataError {
  readonly code = 'staged-root-missing';

  constructor(readonly root: RootName) {
    super(`The restore left no folder ${root} in staging, so nothing was changed. Try again, or another backup.`);
  }
}

/** Thrown when the control plane did not say yes in time right before the swap; nothing was put in place. */
export class SwapNotConfirmedError extends HostDataError {
  readonly code = 'swap-not-confirmed';

  constructor(
    readonly projectId: string,
    options?: ErrorOptions,
  ) {
    super(`The control plane did not confirm the restore of project ${projectId}, so nothing was changed.`, options);
  }
}

/** Thrown when a root cannot be renamed at present. */
export class RootBusyError extends HostDataError {
  readonly code = 'root-busy';

  constructor(folder: string, why: string, options?: ErrorOptions) {
    super(`${folder} cannot be replaced: ${why}. Put that right and try again.`, options);
  }
}

/** Thrown when a project has a swap that began and has not been finished: nothing else may touch it. */
export class SwitchPendingError extends HostDataError {
  readonly code = 'switch-pending';

  constructor(readonly projectId: string) {
    super(`A restore of project ${projectId} is half in place. It is finished when the worker starts: restart it.`);
  }
}

/** Thrown when a swap that began cannot be finished; its record stays, and with it the lock on the project. */
export class SwitchStuckError extends HostDataError {
  readonly code = 'switch-stuck';

  constructor(
    readonly projectId: string,
    why: string,
    options?: ErrorOptions,
  ) {
    super(
      `A restore of project ${projectId} is half in place and cannot be finished: ${why}. ` +
        'What was there before is kept in the trash folder of the operation.',
      options,
    );
  }
}

/** Thrown when a record of this worker cannot be understood; it is never taken for an absent one where that matters. */
export class DamagedRecordError extends HostDataError {
  readonly code = 'damaged-record';

  constructor(
    readonly file: string,
    options?: ErrorOptions,
  ) {
    super(`${file} is damaged. Look at it, move it away if it is of no use, and try again.`, options);
  }
}
