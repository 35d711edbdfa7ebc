import { MAX_LISTED, ROOTS, type FileProblems } from '@buckets/contracts';
import { RepositoryCorrupt, type Repository, type Snapshot, type TreeEntry } from '@buckets/repository';
import { escapeName } from '../live-files/escaped-name.js';
import { AttemptFailed } from '../operations/operation.js';

/** What a snapshot has shown of itself. */
export interface Proof {
  /**
   * Files whose content has another length than they had when they were looked at: they grew or were cut while they were
   * read. The backup holds the content, and a restore gives it back.
   */
  readonly changedWhileRead: FileProblems;
}

export interface ProofOptions {
  /** The tree of a snapshot that was proven before. */
  known?: string | undefined;
  /** Told of a tree of that snapshot which is damaged. */
  onDamage?: (damage: RepositoryCorrupt) => void;
  signal?: AbortSignal;
}

/** What a proof needs of a repository. */
export type ProvenBy = Pick<Repository, 'tree' | 'contentLength'>;

/**
 * Reads the trees of a snapshot as a restore would, without the content of files: both roots are folders, each folder can
 * be listed, each entry says what a restore needs, and each piece of each file is in the index. A folder that an earlier
 * snapshot has proven, which is one with the same tree, is not looked at again: the cost is that of what has changed.
 *
 * @throws {AttemptFailed} when a restore could not bring all of it back
 * @throws {RepositoryError, ObjectStorageError} when it cannot be read
 */
export async function prove(
  repository: ProvenBy,
  { tree }: Pick<Snapshot, 'tree'>,
  { known, onDamage = () => undefined, signal }: ProofOptions = {},
): Promise<Proof> {
  const changed: FileProblems = { total: 0, first: [] };
  const folders = [{ path: '', tree, known }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    if (folder.tree === folder.known) continue;
    const entries = await repository.tree(folder.tree);
    if (folder.path === '') mustHoldRoots(entries);
    const earlier = await subtreesOf(repository, folder.known, onDamage);
    for (const entry of entries) {
      mustBeRestorable(entry);
      const path = `${folder.path}/${escapeName(entry.name)}`;
      if (entry.type === 'dir') {
        folders.push({ path, tree: entry.subtree!, known: earlier.get(entry.name.toString('latin1')) });
      } else if (entry.type === 'file') {
        const length = await repository.contentLength(entry);
        if (length !== entry.size) noteChange(changed, path, entry.size, length);
      }
    }
  }
  return { changedWhileRead: changed };
}

function noteChange(changed: FileProblems, path: string, size: number, length: number): void {
  changed.total++;
  if (changed.first.length === MAX_LISTED) return;
  changed.first.push({ path, reason: `It had ${size} bytes when it was looked at; ${length} were read of it.` });
}

function mustHoldRoots(entries: readonly TreeEntry[]): void {
  for (const root of ROOTS) {
    if (entries.some(({ name, type }) => type === 'dir' && name.toString('latin1') === root)) continue;
    throw new AttemptFailed(
      'project-folder-missing',
      `The folder ${root}/ of the project went away before it was read. There is no backup.`,
    );
  }
}

function mustBeRestorable({ mode, uid, gid, mtimeNs, type, subtree, name }: TreeEntry): void {
  const isWhole = mode !== undefined && uid !== undefined && gid !== undefined && mtimeNs !== undefined;
  if (isWhole && (type !== 'dir' || subtree !== undefined)) return;
  const what = `${escapeName(name)} has no mode, owner, time or content in it`;
  throw new AttemptFailed('repository-damaged', `The backup that was made cannot be restored: ${what}.`);
}

/** That an earlier backup is damaged is no fault of this one: then all of it is looked at. */
async function subtreesOf(
  repository: ProvenBy,
  tree: string | undefined,
  onDamage: (damage: RepositoryCorrupt) => void,
): Promise<Map<string, string>> {
  if (tree === undefined) return new Map();
  const entries = await repository.tree(tree).catch((error: unknown) => {
    if (!(error instanceof RepositoryCorrupt)) throw error;
    onDamage(error);
    return [];
  });
  return new Map(
    entries.flatMap(({ name, subtree }) => (subtree === undefined ? [] : [[name.toString('latin1'), subtree]])),
  );
}
