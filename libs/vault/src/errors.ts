/** The base of all failures of the vault. None of them carries a key, a password or a text. */
export abstract class VaultError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The platform key that the process was started with is not one. */
export class PlatformKeyInvalid extends VaultError {
  readonly code = 'platform-key-invalid';

  constructor() {
    super('The platform key is not 32 bytes in base64. Make one with: head -c 32 /dev/urandom | base64');
  }
}

/** A value was wrapped with a platform key that this process does not have. */
export class PlatformKeyUnknown extends VaultError {
  readonly code = 'platform-key-unknown';

  constructor(
    readonly what: string,
    readonly keyId: string,
    known: readonly string[],
  ) {
    super(
      `${what} is wrapped with the platform key ${keyId}; this process has ${known.join(', ')}. ` +
        'Start it with that key too, as an earlier one.',
    );
  }
}

/** A wrapped or sealed value does not open: it was changed, or stands where another one belongs. */
export class VaultUnreadable extends VaultError {
  readonly code = 'vault-unreadable';

  constructor(readonly what: string) {
    super(`${what} does not open: it is damaged or belongs elsewhere. Restore it from a backup of the vault.`);
  }
}

/** What should name a project is not an id. */
export class ProjectIdInvalid extends VaultError {
  readonly code = 'project-id-invalid';

  constructor() {
    super('That is not the id of a project: lower-case letters, digits and hyphens, 63 at most.');
  }
}

/** The project has no keys, and nothing was asked to make them. */
export class ProjectKeysMissing extends VaultError {
  readonly code = 'project-keys-missing';

  constructor(readonly projectId: string) {
    super(
      `The vault has no keys of project ${projectId}. If its database was lost, run \`npm run restore-vault\`: the ` +
        'buckets hold a copy of the keys.',
    );
  }
}

/** The project's keys were destroyed on purpose. They are not made again: its id is used up. */
export class ProjectKeysErased extends VaultError {
  readonly code = 'project-keys-erased';

  constructor(readonly projectId: string) {
    super(`The keys of project ${projectId} were destroyed when it was deleted. Use another id for a new project.`);
  }
}

/** The database and the bucket disagree in a way that only a person can settle. Nothing was changed. */
export class VaultConflict extends VaultError {
  readonly code = 'vault-conflict';

  constructor(
    readonly projectId: string,
    readonly found: 'different' | 'unreadable',
    options?: ErrorOptions,
  ) {
    super(
      found === 'different'
        ? `The bucket has other keys of project ${projectId} than the vault, which are in use. Find out who wrote ` +
            `keys/${projectId}; removing that object lets the vault write it again.`
        : `The keys of project ${projectId} in the bucket do not open, and may be the only ones that fit its backups. ` +
            `Find out which platform key wrapped keys/${projectId}, or remove that object if you are sure.`,
      options,
    );
  }
}

/** Others kept changing the same entry. Trying again helps. */
export class VaultBusy extends VaultError {
  readonly code = 'vault-busy';

  constructor(readonly projectId: string) {
    super(`The keys of project ${projectId} are being changed by others. Try again.`);
  }
}

/** Nobody has given the vault credentials for these buckets, or its database was lost. */
export class BucketCredentialsMissing extends VaultError {
  readonly code = 'bucket-credentials-missing';
  readonly needsOperator = true;

  /** @param bucketIds a few: the message names them all */
  constructor(readonly bucketIds: readonly string[]) {
    super(
      `The vault has no credentials of bucket ${bucketIds.join(', ')}, as after its database was lost. Give them again, in ` +
        'the file that BUCKETS_BUCKET_CREDENTIALS_FILE names: run `npm run restore-vault`, which brings the keys of their ' +
        'projects back, too, and needs no file for the buckets of a local stack.',
    );
  }
}
