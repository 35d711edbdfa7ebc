import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namesWithin } from '../file-system/paths.js';
import type { HostFolders } from './host-folders.js';
import { removeTree } from './tree-removal.js';

export interface TrashOptions {
  /** How long the data that a restore replaced are kept after it has ended. */
  keepHours: number;
  /** For removing the trash of one operation, in milliseconds. */
  removalTimeoutMs: number;
}

const DEFAULTS: TrashOptions = { keepHours: 0, removalTimeoutMs: 6 * 3_600_000 };
/** Marks what is being removed, so that a removal that was broken off goes on, however young the folder looks by then. */
const CONDEMNED = '.removing';

/** What restores have replaced, one folder per operation. */
export class Trash {
  readonly #options: TrashOptions;

  constructor(
    private readonly folders: HostFolders,
    options: Partial<TrashOptions> = {},
  ) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Removes, one after another, what has been kept for long enough. Meant for the background; one that cannot be removed
   * does not keep the others.
   * @param keep operations that have not ended, and those whose swap has not been finished
   * @returns the operations whose trash is gone, and what stood in the way of others
   */
  async empty(keep: ReadonlySet<string>, signal?: AbortSignal): Promise<{ removed: string[]; failures: Error[] }> {
    const removed: string[] = [];
    const failures: Error[] = [];
    for (const name of await namesWithin(this.folders.trashes)) {
      signal?.throwIfAborted();
      const operationId = name.replace(CONDEMNED, '');
      if (keep.has(operationId)) continue;
      try {
        if (!(await this.#isDue(name))) continue;
        const condemned = join(this.folders.trashes, operationId + CONDEMNED);
        if (name === operationId) await rename(join(this.folders.trashes, name), condemned);
        await removeTree(condemned, { timeoutMs: this.#options.removalTimeoutMs, signal });
        removed.push(operationId);
      } catch (error) {
        signal?.throwIfAborted();
        failures.push(error as Error);
      }
    }
    return { removed, failures };
  }

  /** The folder's own time is that of the last root that was moved into it. */
  async #isDue(name: string): Promise<boolean> {
    if (name.endsWith(CONDEMNED)) return true;
    const { mtimeMs } = await stat(join(this.folders.trashes, name));
    return Date.now() - mtimeMs >= this.#options.keepHours * 3_600_000;
  }
}
