import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { KEY_BYTES } from './authenticated-encryption.js';
import { VaultUnreadable } from './errors.js';
import type { PlatformKeys } from './platform-keys.js';
import { createRecoveryPassword } from './recovery-password.js';

/** Rustic's and restic's master key of a repository, in their own form. */
export interface RepositoryKey {
  readonly mac: { readonly k: string; readonly r: string };
  readonly encrypt: string;
}

/** All that is secret of one project. Printing, logging or serialising it shows `[secret]`. */
export class ProjectKeys {
  constructor(
    readonly projectId: string,
    readonly repositoryKey: RepositoryKey,
    /** Opens the same repository with plain rustic or restic. */
    readonly recoveryPassword: string,
    /** 32 bytes that seal people's text. */
    readonly dataKey: Uint8Array,
  ) {}

  static create(projectId: string, createRepositoryKey: () => RepositoryKey): ProjectKeys {
    return new ProjectKeys(projectId, createRepositoryKey(), createRecoveryPassword(), randomBytes(KEY_BYTES));
  }

  equals(other: ProjectKeys): boolean {
    return this.projectId === other.projectId && plaintextOf(this) === plaintextOf(other);
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return `ProjectKeys(${this.projectId}) [secret]`;
  }
}

/** Stands where a project's keys stood that were destroyed, so that nobody makes new ones in silence. */
export const TOMBSTONE = 'erased';

/**
 * What is stored of a project: its keys or a tombstone, wrapped. That a tombstone is wrapped too proves that who wrote
 * it had the platform key: whoever can merely write into the bucket cannot make the vault erase a project.
 */
export type Entry = ProjectKeys | typeof TOMBSTONE;

export function wrapEntry(platformKeys: PlatformKeys, projectId: string, entry: Entry): string {
  const text = entry === TOMBSTONE ? JSON.stringify({ erased: true }) : plaintextOf(entry);
  return platformKeys.wrap(Buffer.from(text), { purpose: 'project-keys', id: projectId });
}

/** Throws `PlatformKeyUnknown` and `VaultUnreadable`. */
export function unwrapEntry(platformKeys: PlatformKeys, projectId: string, wrapped: string): Entry {
  const text = platformKeys.unwrap(wrapped, { purpose: 'project-keys', id: projectId }).toString('utf8');
  const { erased, repositoryKey, recoveryPassword, dataKey } = JSON.parse(text) as Partial<Plaintext>;
  if (erased === true) return TOMBSTONE;
  if (repositoryKey === undefined || recoveryPassword === undefined || dataKey === undefined) {
    throw new VaultUnreadable(`The entry of project ${projectId}, which another version wrote,`);
  }
  return new ProjectKeys(projectId, repositoryKey, recoveryPassword, Buffer.from(dataKey, 'base64'));
}

interface Plaintext {
  readonly erased: boolean;
  readonly repositoryKey: RepositoryKey;
  readonly recoveryPassword: string;
  readonly dataKey: string;
}

function plaintextOf({ repositoryKey: { mac, encrypt }, recoveryPassword, dataKey }: ProjectKeys): string {
  return JSON.stringify({
    repositoryKey: { mac: { k: mac.k, r: mac.r }, encrypt },
    recoveryPassword,
    dataKey: Buffer.from(dataKey).toString('base64'),
  });
}
