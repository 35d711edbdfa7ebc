import { ObjectNotFound } from '@buckets/object-storage';
import { createHash } from 'node:crypto';

import { asCount, asId, asObject, asText, parseJson } from './json-fields.js';
import {
  RepositoryCorrupt,
  RepositoryKeyMismatch,
  RepositoryNotFound,
  RepositoryUnsupported,
} from './repository-error.js';
import { RepositoryKey } from './repository-key.js';
import { LIMITS, unpacked } from './repository-objects.js';
import type { RepositoryObjects } from './repository-objects.js';

export interface RepositoryConfig {
  id: string;
  version: number;
  chunkerPolynomial: string;
}

/** @throws RepositoryNotFound, RepositoryKeyMismatch, RepositoryCorrupt, RepositoryUnsupported, ObjectStorageError */
export async function readConfig(objects: RepositoryObjects): Promise<RepositoryConfig> {
  const stored = await objects.stored('config').catch((error: unknown) => {
    throw error instanceof ObjectNotFound ? new RepositoryNotFound(objects.prefix) : error;
  });
  const plain = objects.key.open(stored);
  if (!plain) {
    throw (await opensAnother(objects))
      ? new RepositoryCorrupt('config', 'its authentication tag does not fit')
      : new RepositoryKeyMismatch();
  }
  return objects.read('config', () => {
    const { id, version, chunker_polynomial } = asObject(parseJson(unpacked(plain, LIMITS.document.config)), 'config');
    const config = {
      id: asId(id, 'id'),
      version: asCount(version, 'version'),
      chunkerPolynomial: asText(chunker_polynomial, 'chunker_polynomial'),
    };
    if (config.version < 1 || config.version > 2) {
      throw new RepositoryUnsupported(`its format has version ${config.version}`);
    }
    return config;
  });
}

/** Whether the key opens some object that is intact: its name is the hash of its bytes. Then it is not the key's fault. */
async function opensAnother(objects: RepositoryObjects): Promise<boolean> {
  for (const kind of ['index', 'snapshots'] as const) {
    for (const id of await objects.ids(kind)) {
      const stored = await objects.stored(`${kind}/${id}`);
      if (createHash('sha256').update(stored).digest('hex') === id) return objects.key.open(stored) !== undefined;
    }
  }
  return false;
}

/** The same config, sealed anew, under another id. */
export function configWithId(masterKey: string, sealed: Uint8Array, id: string): Buffer {
  const key = new RepositoryKey(masterKey);
  const plain = key.open(sealed);
  if (!plain) throw new RepositoryKeyMismatch();
  return key.seal(
    Buffer.from(JSON.stringify({ ...asObject(parseJson(unpacked(plain, LIMITS.document.config)), 'config'), id })),
  );
}
