import { MAX_LISTED, ROOTS, type FileProblems } from '@buckets/contracts';
import { RepositoryCorrupt, type Repository, type Snapshot, type TreeEntry } from '@buckets/repository';
import { escapeName } from '../file-system/escaped-name.js';
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
  /** Told of each sign of work. */
  alive?: () => void;
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
  { known, onDamage = () => undefined, alive = () => undefined }: ProofOptions = {},
): Promise<Proof> {
  const changed: FileProblems = { total: 0, first: [] };
  const folders = [{ path: '', tree, known }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (folder.tree === folder.known) continue;
    const roots = new Set<string>();
    await using earlier = new EarlierFolder(repository, folder.known, onDamage);
    for await (const entries of repository.tree(folder.tree)) {
      alive();
      for (const entry of entries) {
        mustBeRestorable(entry);
        const path = () => `${folder.path}/${escapeName(entry.name)}`;
        if (entry.type === 'dir') {
          roots.add(entry.name.toString('latin1'));
          const before = await earlier.subtree(entry.name);
          if (before !== entry.subtree) folders.push({ path: path(), tree: entry.subtree!, known: before });
        } else if (entry.type === 'file') {
          const length = await repository.contentLength(entry);
          if (length !== entry.size) noteChange(changed, path(), entry.size, length);
        }
      }
    }
    if (folder.path === '') mustHoldRoots(roots);
  }
  return { changedWhileRead: changed };
}

function noteChange(changed: FileProblems, path: string, size: number, length: number): void {
  changed.total++;
  if (changed.first.length === MAX_LISTED) return;
  changed.first.push({ path, reason: `It had ${size} bytes when it was looked at; ${length} were read of it.` });
}

function mustHoldRoots(folders: ReadonlySet<string>): void {
  for (const root of ROOTS) {
    if (folders.has(root)) continue;
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

/**
 * A folder of an earlier backup, read beside the one that is looked at: both are in the order of their names, and however many
 * entries they have, none is kept.
 */
class EarlierFolder implements AsyncDisposable {
  readonly #portions: AsyncGenerator<readonly TreeEntry[], void, undefined>;
  #portion: readonly TreeEntry[] = [];
  #next = 0;

  constructor(
    repository: ProvenBy,
    tree: string | undefined,
    private readonly onDamage: (damage: RepositoryCorrupt) => void,
  ) {
    this.#portions = tree === undefined ? nothing() : repository.tree(tree);
  }

  /** The tree of a folder in it; undefined when it has none of that name. To be asked for in order, or it is not found. */
  async subtree(name: Buffer): Promise<string | undefined> {
    for (;;) {
      for (; this.#next < this.#portion.length; this.#next++) {
        const entry = this.#portion[this.#next]!;
        const order = Buffer.compare(entry.name, name);
        if (order >= 0) return order === 0 ? entry.subtree : undefined;
      }
      const portion = await this.#portions.next().catch((error: unknown) => {
        // That an earlier backup is damaged is no fault of this one: then all of it is looked at.
        if (!(error instanceof RepositoryCorrupt)) throw error;
        this.onDamage(error);
        return END;
      });
      if (portion.done === true) return undefined;
      [this.#portion, this.#next] = [portion.value, 0];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#portions.return(undefined);
  }
}

async function* nothing(): AsyncGenerator<never, void, undefined> {}

const END = { done: true, value: undefined } as const;
