import { constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isId } from '@buckets/contracts';
import { isAbsence } from '../file-system/paths.js';
import { badPath, LiveFilesError } from './live-files-error.js';
import type { LivePath } from './live-path.js';
import { pinWithin } from './pinned.js';

/** An entry of a project, held open: to be disposed of. */
export interface PinnedEntry extends AsyncDisposable {
  pinned: FileHandle;
  stats: BigIntStats;
}

/** Finds entries of the projects below one folder, without ever following a link. */
export class ProjectFolders {
  constructor(readonly dataRoot: string) {}

  /**
   * Goes down from the project's folder one name at a time, holding each folder while looking in it.
   *
   * @throws LiveFilesError bad-project-id, path-is-a-link, project-folder-missing; Error of the file system
   */
  async pin(projectId: string, names: LivePath): Promise<PinnedEntry> {
    if (!isId(projectId)) throw new LiveFilesError('bad-project-id');
    await using top = await this.#openDataRoot();
    let at = await pinWithin(top, Buffer.from(projectId)).catch((error: unknown) => {
      throw isAbsence(error) ? new LiveFilesError('project-folder-missing') : error;
    });
    for (const name of names) {
      await using above = at.pinned;
      at = await pinWithin(above, name);
    }
    return { ...at, [Symbol.asyncDispose]: () => at.pinned.close() };
  }

  /** Gives the folder above the entry and the entry's name to `use`. The roots themselves are refused. */
  async inParent<Result>(
    projectId: string,
    names: LivePath,
    use: (parent: PinnedEntry, name: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const name = names.at(-1);
    if (!name || names.length < 2) throw badPath('below-root');
    await using parent = await this.pin(projectId, names.slice(0, -1));
    if (!parent.stats.isDirectory()) throw new LiveFilesError('not-a-folder');
    return await use(parent, name);
  }

  async #openDataRoot(): Promise<FileHandle> {
    try {
      return await open(this.dataRoot, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      throw new LiveFilesError('storage-failed', { cause: error });
    }
  }
}
