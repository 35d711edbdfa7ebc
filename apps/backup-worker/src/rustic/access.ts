import { createHash } from 'node:crypto';

/** What it takes to reach one repository. Holds secrets: it is never logged, and no error carries it. */
export type RepositoryAccess = S3Access | LocalAccess;

export interface S3Access {
  kind: 's3';
  /** With scheme and port, such as `https://s3.example.com`. */
  endpoint: string;
  region: string;
  bucket: string;
  /** The repository's prefix in the bucket, such as `projects/<projectId>`. */
  root: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** The repository's master key as restic's JSON: `{"mac":{"k","r"},"encrypt"}`, all base64. */
  masterKey: string;
}

/** A repository in a local folder: for tests, benchmarks and the making of a new one. */
export interface LocalAccess {
  kind: 'local';
  folder: string;
  masterKey: string;
}

export interface ProfileSettings {
  /** Where rustic keeps index, snapshots and trees; without it there is no cache at all. */
  cacheFolder?: string;
  logLevel: 'warn' | 'info';
  /** How often one request is tried again, with delays of 1 s, 2 s, 4 s…; rustic's own default is 5. */
  storageRetries?: number;
}

/**
 * One profile file for one run. It holds every secret of the run, so that none is in the arguments (rustic records
 * them) or the environment, and it stands in for the profiles that rustic would look for in the user's and the
 * system's folders.
 */
export function profileOf(access: RepositoryAccess, settings: ProfileSettings): string {
  return [
    section('global', {
      'log-level': settings.logLevel,
      // Retried requests are logged as warnings, although nothing is wrong with the result.
      'log-level-dependencies': 'off',
      'json-progress': true,
      'progress-interval': '500ms',
    }),
    section('repository', {
      repository: access.kind === 's3' ? 'opendal:s3' : access.folder,
      key: access.masterKey,
      'cache-dir': settings.cacheFolder,
      'no-cache': settings.cacheFolder === undefined,
    }),
    access.kind === 's3' ? section('repository.options', storageOptions(access, settings)) : '',
  ].join('');
}

function storageOptions(access: S3Access, { storageRetries }: ProfileSettings): Record<string, string | undefined> {
  return {
    endpoint: access.endpoint,
    region: access.region,
    bucket: access.bucket,
    root: access.root,
    access_key_id: access.accessKeyId,
    secret_access_key: access.secretAccessKey,
    session_token: access.sessionToken,
    enable_virtual_host_style: 'false',
    // Neither the user's AWS files nor a cloud machine's own identity may ever stand in for the grant.
    disable_config_load: 'true',
    disable_ec2_metadata: 'true',
    retry: storageRetries === undefined ? undefined : String(storageRetries),
  };
}

function section(name: string, values: Record<string, string | boolean | undefined>): string {
  const lines = Object.entries(values)
    .filter((entry): entry is [string, string | boolean] => entry[1] !== undefined)
    .map(([key, value]) => `${key} = ${typeof value === 'string' ? tomlString(value) : value}\n`);
  return `[${name}]\n${lines.join('')}`;
}

/** JSON's strings are TOML's basic strings, but for DEL, which JSON leaves as it is. */
function tomlString(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

/** Every text that must not be seen in what a run reports. */
export function secretsOf(access: RepositoryAccess): string[] {
  const secrets = [access.masterKey, ...partsOfMasterKey(access.masterKey)];
  if (access.kind === 's3') secrets.push(access.secretAccessKey, access.sessionToken ?? '');
  return secrets.filter((secret) => secret.length > 3);
}

function partsOfMasterKey(masterKey: string): string[] {
  return masterKey.match(/[A-Za-z0-9+/]{20,}={0,2}/g) ?? [];
}

/** The name of the folder in the cache that belongs to this repository, and to no other. */
export function cacheNameOf(access: RepositoryAccess): string {
  const place = access.kind === 's3' ? [access.endpoint, access.bucket, access.root] : [access.folder];
  return createHash('sha256').update(JSON.stringify(place)).digest('hex').slice(0, 32);
}
