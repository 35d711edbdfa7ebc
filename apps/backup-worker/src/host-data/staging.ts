import { renameSync } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from './disk.js';
import { NotEnoughSpaceError, OtherFileSystemError } from './errors.js';
import type { HostFolders } from './host-folders.js';
import { removeTree } from './tree-removal.js';
import type { ToolLimits } from '../processes/run-tool.js';

/** What a restore will take: the snapshot's apparent size in bytes, and its number of entries. */
export interface SpaceNeed {
  bytes: number;
  entries: number;
  /** The bytes without holes, which takes a look at every entry: asked only where there is no room for the apparent size. */
  filled?: () => Promise<number>;
}

export interface StagingOptions {
  /** Bytes that stay free for the projects that run here. */
  reserveBytes: number;
  /** For removing one staging folder, in milliseconds. */
  removalTimeoutMs: number;
}

const DEFAULTS: StagingOptions = { reserveBytes: 256 * 2 ** 20, removalTimeoutMs: 30 * 60_000 };

/** Marks what is being removed. No operation has such a name. */
const CONDEMNED = '.removing';

/** The folders into which restores write, one per operation, on the file system of the projects and closed to others. */
export class Staging {
  readonly #options: StagingOptions;
  /** Promised to restores under way, so that two of them do not count on the same space. */
  readonly #promised = new Map<string, SpaceNeed>();

  constructor(
    private readonly folders: HostFolders,
    private readonly disk: Disk,
    options: Partial<StagingOptions> = {},
  ) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * An empty folder for a restore. What an earlier attempt of the operation left there is removed: rustic would
   * otherwise write through links that it left.
   * @throws NotEnoughSpaceError, OtherFileSystemError
   */
  async prepare(operationId: string, projectId: string, need: SpaceNeed, signal?: AbortSignal): Promise<string> {
    await this.discard(operationId, signal);
    await this.disk.makeFolder(this.folders.stagings);
    await this.#checkFileSystem(projectId);
    await this.#promise(operationId, need);
    const folder = this.folders.staging(operationId);
    await this.disk.makeFolder(folder);
    return folder;
  }

  /** Removes an operation's staging folder; there need not be one. */
  async discard(operationId: string, signal?: AbortSignal): Promise<void> {
    this.#promised.delete(operationId);
    await removeTree(this.folders.staging(operationId), this.#limits(signal));
  }

  /**
   * Removes the staging folders of all operations but these; one that cannot be removed does not keep the others.
   * Swaps that began are to be finished before, or named here: they need theirs. Restores may begin meanwhile.
   */
  async sweep(
    keep: { has(operationId: string): boolean },
    signal?: AbortSignal,
  ): Promise<{ removed: string[]; failures: Error[] }> {
    await this.disk.makeFolder(this.folders.stagings);
    const removed: string[] = [];
    const failures: Error[] = [];
    for (const name of await readdir(this.folders.stagings)) {
      const operationId = name.replace(CONDEMNED, '');
      if (name === operationId && keep.has(operationId)) continue;
      try {
        const condemned = join(this.folders.stagings, operationId + CONDEMNED);
        // In one step with the question: should the operation begin anew now, it makes a folder that nobody removes.
        if (name === operationId) renameSync(join(this.folders.stagings, name), condemned);
        await removeTree(condemned, this.#limits(signal));
        removed.push(operationId);
      } catch (error) {
        signal?.throwIfAborted();
        failures.push(error as Error);
      }
    }
    return { removed, failures };
  }

  async #checkFileSystem(projectId: string): Promise<void> {
    const { dev } = await stat(this.folders.stagings);
    if ((await stat(this.folders.dataRoot)).dev !== dev)
      throw new OtherFileSystemError(this.folders.project(projectId));
  }

  async #promise(operationId: string, need: SpaceNeed): Promise<void> {
    const lacking = await this.#tryToPromise(operationId, need);
    if (lacking === undefined) return;
    if (need.filled === undefined || lacking.what === 'inodes') throw lacking;
    const stillLacking = await this.#tryToPromise(operationId, { entries: need.entries, bytes: await need.filled() });
    if (stillLacking !== undefined) throw stillLacking;
  }

  /** @returns what there is too little of, if so */
  async #tryToPromise(operationId: string, need: SpaceNeed): Promise<NotEnoughSpaceError | undefined> {
    const { bavail, bsize, ffree, files } = await statfs(this.folders.stagings);
    const promised = [...this.#promised.values()];
    // Each entry may need a block more than its bytes.
    const bytesOf = (of: SpaceNeed) => of.bytes + of.entries * bsize;
    const needed = promised.reduce((sum, other) => sum + bytesOf(other), bytesOf(need)) + this.#options.reserveBytes;
    if (needed > bavail * bsize) return new NotEnoughSpaceError('bytes', needed, bavail * bsize);
    const inodes = promised.reduce((sum, other) => sum + other.entries, need.entries);
    // File systems without a fixed number of inodes say 0.
    if (files > 0 && inodes > ffree) return new NotEnoughSpaceError('inodes', inodes, ffree);
    this.#promised.set(operationId, need);
    return undefined;
  }

  #limits(signal?: AbortSignal): ToolLimits {
    return { timeoutMs: this.#options.removalTimeoutMs, signal };
  }
}
