import { HostDataError } from '../host-data/index.js';

/** Thrown when only what is missing was to be restored and nothing is: a restore is never skipped and called a success. */
export class NothingMissingError extends HostDataError {
  readonly code = 'nothing-missing';

  constructor(readonly projectId: string) {
    super(`Both roots of project ${projectId} are here. Ask for a restore of the whole project to replace them.`);
  }
}

/** Thrown when a restored tree is not what the snapshot says; nothing was put in place. */
export class RestoreDiffersError extends HostDataError {
  readonly code = 'restore-differs';

  constructor(
    readonly count: number,
    /** The first of them, as text. */
    readonly first: readonly string[],
  ) {
    super(
      `The restored files differ from the backup in ${count} points, so nothing was changed: ${first[0] ?? ''}. ` +
        'Check the disk and the repository, or restore another backup.',
    );
  }
}
