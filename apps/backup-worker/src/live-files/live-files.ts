import { constants, type BigIntStats } from 'node:fs';
import { open, rm, unlink, type FileHandle } from 'node:fs/promises';
import { ROOTS } from '@buckets/contracts';
import { ownFolder } from '../file-system/paths.js';
import { folderPage, liveEntry, type LiveEntry, type LivePage } from './folder-page.js';
import { CALLS_AT_ONCE, FOLDERS_AT_ONCE, LIVE_FILE_BYTES, PAGE_LIMIT, PART_BYTES } from './limits.js';
import { asLiveFilesError, badPath, folderToRemove, LiveFilesError } from './live-files-error.js';
import { parseLivePath, type LivePath } from './live-path.js';
import { itself, pinWithin, requireProc, syncFolder, within } from './pinned.js';
import { mustBeFile, placeFile, placeFolder, replaceableFile, statsWithin } from './placing.js';
import { ProjectFolders } from './project-folders.js';
import { Removals, type RemovalLeft } from './removals.js';
import { Uploads } from './uploads.js';

export interface LiveFilesOptions {
  /** Holds one folder for each project. Nobody but the worker may change the names in it. */
  dataRoot: string;
  /** For files on their way in and folders on their way out; the worker's own, on the same file system as dataRoot. */
  uploadsFolder: string;
  /** Counts a possible change of the project's data. Called before each change can be seen, and once more after it. */
  onChange(projectId: string): void | Promise<void>;
}

export interface LivePart {
  bytes: Buffer;
  /** Of the whole file. */
  size: number;
  /** Names this version of the file; give it with the next part. */
  token: string;
  /** Whether the file ends with this part. */
  eof: boolean;
}

export interface WriteOptions {
  /** Length of the whole file in bytes. */
  size: number;
  /** Permission bits of a new file, default 0644; a file that is there keeps its own, and all that belongs to it. */
  mode?: number;
  /** Make the missing folders above the file when it is put in its place. Default false. */
  createFolders?: boolean;
}

/**
 * The files of a project on this host, for the API. Paths are those of parseLivePath. Each component is held open while
 * the next is looked up in it, and no link is ever followed, so that nothing outside the project's two roots can be
 * reached, whoever moves folders and links about meanwhile.
 *
 * Every call rejects with LiveFilesError. A restore must not swap the same project's roots at the same time: that is up
 * to the caller.
 */
export class LiveFiles {
  readonly #options: LiveFilesOptions;
  readonly #projects: ProjectFolders;
  readonly #uploads: Uploads<WriteTarget>;
  readonly #removals: Removals;
  #calls = 0;
  readonly #creating = new Map<string, Promise<unknown>>();

  constructor(options: LiveFilesOptions) {
    requireProc();
    this.#options = options;
    this.#projects = new ProjectFolders(options.dataRoot);
    this.#uploads = new Uploads(options.uploadsFolder);
    this.#removals = new Removals(options.uploadsFolder);
  }

  /** A page of a folder, links listed as such; of '' and '/' the roots that are there. */
  list(projectId: string, path: string, page: { limit?: number; cursor?: string } = {}): Promise<LivePage> {
    return this.#call(async () => {
      const names = parseLivePath(path);
      const { limit = PAGE_LIMIT, cursor } = page;
      if (!isCount(limit) || limit === 0) throw new LiveFilesError('bad-range');
      await using folder = await this.#projects.pin(projectId, names);
      if (!folder.stats.isDirectory()) throw new LiveFilesError('not-a-folder');
      const isShown = names.length === 0 ? isRoot : () => true;
      return await folderPage(folder.pinned, isShown, Math.min(limit, PAGE_LIMIT), cursor);
    });
  }

  stat(projectId: string, path: string): Promise<LiveEntry> {
    return this.#call(async () => {
      const names = parseLivePath(path);
      await using entry = await this.#projects.pin(projectId, names);
      return liveEntry(names.at(-1) ?? Buffer.alloc(0), entry.stats);
    });
  }

  /**
   * A part of a file, shorter than asked for only where the file ends. With the token of the first part as `expect`,
   * all parts are of one version, as far as the kernel's times tell.
   */
  read(
    projectId: string,
    path: string,
    { offset, length, expect }: { offset: number; length: number; expect?: string },
  ): Promise<LivePart> {
    return this.#call(async () => {
      const names = parseLivePath(path);
      if (!isCount(offset) || !isCount(length) || length > PART_BYTES) throw new LiveFilesError('bad-range');
      await using entry = await this.#projects.pin(projectId, names);
      mustBeFile(entry.stats);
      // What is pinned is opened, not what its name may mean by now: it is the regular file that was looked at.
      await using file = await open(itself(entry.pinned), constants.O_RDONLY | constants.O_NONBLOCK);
      const before = await file.stat({ bigint: true });
      const [token, size] = [tokenOf(before), Number(before.size)];
      if (expect !== undefined && expect !== token) throw new LiveFilesError('changed-while-reading');
      if (size > LIVE_FILE_BYTES) throw new LiveFilesError('file-too-large');
      const bytes = await readFully(file, offset, Math.max(0, Math.min(length, size - offset)));
      if (tokenOf(await file.stat({ bigint: true })) !== token) throw new LiveFilesError('changed-while-reading');
      return { bytes, size, token, eof: offset + bytes.length >= size };
    });
  }

  /** Announces a file. @returns the upload's id, for writeChunk and commitWrite */
  beginWrite(projectId: string, path: string, options: WriteOptions): Promise<string> {
    return this.#call(async () => {
      const names = parseLivePath(path);
      const { size, mode = 0o644, createFolders = false } = options;
      if (!isCount(mode) || mode > 0o777) throw new LiveFilesError('bad-range');
      // What can be refused now need not be uploaded first.
      await this.#projects.inParent(projectId, names, replaceableFile).catch((error: unknown) => {
        if (!createFolders || asLiveFilesError(error).code !== 'file-not-found') throw error;
      });
      await this.#makeUploadsFolder();
      return await this.#uploads.begin({ projectId, names, mode, createFolders }, size);
    });
  }

  writeChunk(uploadId: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#call(() => this.#uploads.write(uploadId, offset, bytes));
  }

  /**
   * Checks what has arrived against its SHA-256 (hex) and puts it in its place: see placeFile. Other hard links to a
   * file that was there keep the old content. The upload has ended, however this ends.
   */
  commitWrite(uploadId: string, { sha256 }: { sha256: string }): Promise<LiveEntry> {
    return this.#call(async () => {
      const { target, file } = await this.#uploads.take(uploadId, sha256);
      const { projectId, names, mode, createFolders } = target;
      try {
        if (createFolders) await this.#createFolders(projectId, names.slice(0, -1));
        return await this.#projects.inParent(projectId, names, (parent, name) =>
          placeFile(file, parent, name, mode, (change) => this.#changing(projectId, change)),
        );
      } finally {
        await rm(file, { force: true });
      }
    });
  }

  abortWrite(uploadId: string): Promise<void> {
    return this.#call(() => this.#uploads.abort(uploadId));
  }

  /** Removes a file, or with `recursive` a folder with all that is in it, in one step for whoever looks. */
  remove(projectId: string, path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    return this.#call(() =>
      this.#projects.inParent(projectId, parseLivePath(path), async ({ pinned: parent }, name) => {
        const stats = await statsWithin(parent, name);
        if (!stats) throw new LiveFilesError('file-not-found');
        if (stats.isDirectory() && !recursive) throw folderToRemove();
        const taken = await this.#changing(projectId, async () => {
          const removed = stats.isDirectory() ? await this.#takeAway(parent, name) : await unlink(within(parent, name));
          await syncFolder(parent);
          return removed;
        });
        // It is gone from the project. What cannot be removed for good now stays for the sweep, which tells why.
        if (taken) await this.#removals.finish(taken).catch(() => false);
      }),
    );
  }

  /** Removes abandoned uploads and goes on with removals. For the start of the worker and every few minutes. */
  sweep(): Promise<{ uploadsRemoved: number; removalsLeft: RemovalLeft[] }> {
    return this.#call(async () => {
      await this.#makeUploadsFolder();
      return { uploadsRemoved: await this.#uploads.sweep(), removalsLeft: await this.#removals.sweep() };
    });
  }

  async #takeAway(parent: FileHandle, name: Buffer): Promise<string> {
    await this.#makeUploadsFolder();
    return await this.#removals.takeAway(within(parent, name));
  }

  /** One writer of a project at a time, as placing a folder replaces an empty one, which another may just have made to write in. */
  async #createFolders(projectId: string, names: LivePath): Promise<void> {
    const before = this.#creating.get(projectId) ?? Promise.resolve();
    const created = before.then(() => this.#createFoldersNow(projectId, names));
    const settled = created.catch(() => undefined);
    this.#creating.set(projectId, settled);
    await created.finally(() => {
      if (this.#creating.get(projectId) === settled) this.#creating.delete(projectId);
    });
  }

  /** Goes down once, holding the folder in which it looks. */
  async #createFoldersNow(projectId: string, names: LivePath): Promise<void> {
    let at: { pinned: FileHandle; stats: BigIntStats } = await this.#projects.pin(projectId, names.slice(0, 1));
    let made = 0;
    for (const name of names.slice(1)) {
      await using above = at.pinned;
      const parent = at;
      if (!parent.stats.isDirectory()) throw new LiveFilesError('not-a-folder');
      if (!(await statsWithin(above, name))) {
        if (++made > FOLDERS_AT_ONCE) throw badPath('too-deep');
        await this.#removals.inPlace((place) =>
          this.#changing(projectId, () => placeFolder(`${place}/new`, parent, name)),
        );
      }
      at = await pinWithin(above, name);
    }
    await at.pinned.close();
  }

  /**
   * The change is counted before, so that none goes unseen when the worker dies in between; and after, as a backup that
   * began in between may have read the old data under the first count.
   */
  async #changing<Result>(projectId: string, change: () => Promise<Result>): Promise<Result> {
    await this.#options.onChange(projectId);
    try {
      return await change();
    } finally {
      await this.#options.onChange(projectId);
    }
  }

  async #makeUploadsFolder(): Promise<void> {
    await ownFolder(this.#options.uploadsFolder);
  }

  async #call<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#calls >= CALLS_AT_ONCE) throw new LiveFilesError('too-busy');
    this.#calls += 1;
    try {
      return await work();
    } catch (error) {
      throw asLiveFilesError(error);
    } finally {
      this.#calls -= 1;
    }
  }
}

interface WriteTarget {
  projectId: string;
  names: LivePath;
  mode: number;
  createFolders: boolean;
}

function isRoot(name: Buffer): boolean {
  return ROOTS.some((root) => name.equals(Buffer.from(root)));
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}

function tokenOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join('-');
}

/** Stops at `length` bytes, whatever the file grows to meanwhile. */
async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
