import { isId, countText } from '@buckets/contracts';
import type { ObjectStore } from '@buckets/object-storage';
import { KEY_COPIES } from '@buckets/vault';
import { Rejection } from '../problems/rejection.js';

/** Names of one listing that are looked at: one page. */
export const LOOKED_AT = 1000;
const SHOWN = 5;

/** What a bucket holds of projects that the log does not know. */
export interface UnknownProjects {
  /** Copies of keys, and repositories, of such projects. */
  keys: number;
  repositories: number;
  /** Whether there may be more: only a page of each was looked at. */
  mayBeMore: boolean;
  /** Some of these projects. */
  examples: string[];
}

/**
 * Looks whether a bucket holds keys or repositories of projects that the log does not know, as it does when the log and
 * the database were lost. Looks at a page of each: two requests.
 *
 * @param known which of these projects the log knows
 * @throws {ObjectStorageError}
 */
export async function unknownProjectsIn(
  store: Pick<ObjectStore, 'list' | 'folders'>,
  known: (projectIds: string[]) => Promise<ReadonlySet<string>>,
): Promise<UnknownProjects> {
  const [keys, repositories] = await Promise.all([
    idsOf(store.list(KEY_COPIES, { limit: LOOKED_AT }), ({ key }) => key.slice(KEY_COPIES.length)),
    idsOf(store.folders('projects/', { limit: LOOKED_AT }), (name) => name),
  ]);
  const all = [...new Set([...keys.ids, ...repositories.ids])];
  const knownOnes = all.length === 0 ? new Set<string>() : await known(all);
  const unknown = (ids: string[]): string[] => ids.filter((id) => !knownOnes.has(id));
  return {
    keys: unknown(keys.ids).length,
    repositories: unknown(repositories.ids).length,
    mayBeMore: keys.isFull || repositories.isFull,
    examples: unknown(all).slice(0, SHOWN),
  };
}

/** @throws {Rejection} `bucket-holds-unknown-projects` when it holds any */
export function mustHoldNone(bucket: string, unknown: UnknownProjects): void {
  const { keys, repositories, mayBeMore, examples } = unknown;
  if (keys === 0 && repositories === 0) return;
  throw new Rejection(
    'bucket-holds-unknown-projects',
    `The bucket ${bucket} holds the keys of ${countText(keys, 'project')} and the repositories of ${repositories}${mayBeMore ? ', or more,' : ''} ` +
      `that this log does not know (such as ${examples.join(', ')}). If the log and the database were lost, put copies of ` +
      'them back, or have these projects known again: npm run recover-from-buckets. If the bucket is to be used as it ' +
      'is, and what it holds to be left alone, add {"holdsForeignData": "accept"}.',
    409,
    { found: { bucket, ...unknown } },
  );
}

/** The names that are ids: nothing else is a project's. */
async function idsOf<T>(
  listing: AsyncIterable<T>,
  nameOf: (entry: T) => string,
): Promise<{ ids: string[]; isFull: boolean }> {
  const names: string[] = [];
  for await (const entry of listing) names.push(nameOf(entry));
  return { ids: names.filter(isId), isFull: names.length >= LOOKED_AT };
}
