import { someNames } from '@buckets/contracts';
import { jsonIn } from './given-file.js';

export interface GivenCredentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/**
 * The credentials of buckets in a file, by the bucket's id.
 *
 * @param known the buckets that there are
 * @throws {Error} that names the entry that is wrong, or is of no bucket, and says nothing of what it holds
 */
export function credentialsIn(text: string, known: readonly string[]): Map<string, GivenCredentials> {
  const value = jsonIn(text, 'The file with the credentials of buckets');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`The file with the credentials of buckets is no object by their ids: ${SHAPE}.`);
  }
  const given = new Map(Object.entries(value as Record<string, Partial<GivenCredentials> | null>));
  const unknown = [...given.keys()].filter((id) => !known.includes(id));
  if (unknown.length > 0) {
    const there =
      known.length === 0 ? 'there is none; rebuild the tables from the log first' : `there are ${someNames(known)}`;
    throw new Error(`The file has credentials of buckets that there are not: ${someNames(unknown)} (${there}).`);
  }
  if (given.size === 0) throw new Error(`The file has no credentials of any bucket: ${SHAPE}.`);
  for (const [id, entry] of given) {
    if (typeof entry?.accessKeyId === 'string' && typeof entry.secretAccessKey === 'string') continue;
    throw new Error(`In the file with the credentials of buckets, "${id}" needs accessKeyId and secretAccessKey.`);
  }
  return given as Map<string, GivenCredentials>;
}

const SHAPE = '{"<bucketId>": {"accessKeyId": "…", "secretAccessKey": "…"}}';
