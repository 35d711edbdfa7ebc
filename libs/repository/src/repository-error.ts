export type RepositoryErrorCode =
  | 'repository-not-found'
  | 'repository-unsupported'
  | 'repository-key-mismatch'
  | 'repository-corrupt'
  | 'snapshot-not-found'
  | 'path-not-found'
  | 'not-a-file';

/** The base of all failures of reading a repository, apart from those of the store itself, which pass unchanged. */
export abstract class RepositoryError extends Error {
  abstract readonly code: RepositoryErrorCode;

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** No `config` object under the prefix: nothing was ever initialised there, or the prefix or bucket is a wrong one. */
export class RepositoryNotFound extends RepositoryError {
  readonly code = 'repository-not-found';

  constructor(readonly prefix: string) {
    super(`There is no repository at ${prefix || 'the root of the store'}. Check bucket and prefix, or initialise it.`);
  }
}

/** A format version that this reader does not know, or more blobs than it takes on. */
export class RepositoryUnsupported extends RepositoryError {
  readonly code = 'repository-unsupported';

  constructor(detail: string) {
    super(`This reader cannot read the repository: ${detail}. Use rustic or restic instead.`);
  }
}

/** The key is not one of this repository's. */
export class RepositoryKeyMismatch extends RepositoryError {
  readonly code = 'repository-key-mismatch';

  constructor(detail = 'it does not open the config') {
    super(`The key is not the key of this repository: ${detail}. Check which project the key belongs to.`);
  }
}

/** An object that is missing, cut short, altered, or does not hold what its place promises. */
export class RepositoryCorrupt extends RepositoryError {
  readonly code = 'repository-corrupt';

  constructor(
    /** The object's name below the repository's prefix, such as `index/<id>`, or a blob or tree inside a pack. */
    readonly object: string,
    readonly detail: string,
  ) {
    super(
      `${object} is damaged: ${detail}. Have the repository verified (POST /v1/projects/{id}/verify), and restore another backup.`,
    );
  }
}

/** There is no snapshot with this id (any more). */
export class SnapshotNotFound extends RepositoryError {
  readonly code = 'snapshot-not-found';

  constructor(readonly snapshotId: string) {
    super(`There is no snapshot ${snapshotId} in the repository. It may have been removed: list the snapshots.`);
  }
}

/** The snapshot has no entry at this path. */
export class PathNotFound extends RepositoryError {
  readonly code = 'path-not-found';

  constructor(readonly path: Buffer) {
    super(`The snapshot holds nothing at ${JSON.stringify(path.toString())}.`);
  }
}

/** The content of something that is not a file was asked for. */
export class NotAFile extends RepositoryError {
  readonly code = 'not-a-file';

  constructor(type: string) {
    super(`Only files have content, and this is a ${type}.`);
  }
}
