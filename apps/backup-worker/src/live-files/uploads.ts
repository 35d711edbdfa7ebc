import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LIVE_FILE_BYTES, OPEN_UPLOADS, PART_BYTES, UPLOAD_REST_MS } from './limits.js';
import { LiveFilesError } from './live-files-error.js';

interface Upload<Target> {
  target: Target;
  size: number;
  lastUsed: number;
  /** The work on this upload, one piece after the other: nothing may write into a file that is being put in its place. */
  turn: Promise<unknown>;
}

/** Gathers files part by part in a private folder, until they are complete and proven. They do not survive the process. */
export class Uploads<Target> {
  readonly #open = new Map<string, Upload<Target>>();

  /** @param folder private to the worker, and there */
  constructor(readonly folder: string) {}

  /** @throws LiveFilesError file-too-large, bad-range, too-busy */
  async begin(target: Target, size: number): Promise<string> {
    if (!Number.isSafeInteger(size) || size < 0) throw new LiveFilesError('bad-range');
    if (size > LIVE_FILE_BYTES) throw new LiveFilesError('file-too-large');
    if (this.#open.size >= OPEN_UPLOADS) throw new LiveFilesError('too-busy');
    const id = randomUUID();
    const upload = { target, size, lastUsed: Date.now(), turn: this.#create(id) };
    this.#open.set(id, upload);
    try {
      await upload.turn;
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
    return id;
  }

  /** Parts may come in any order and more than once. @throws LiveFilesError upload-unknown, bad-range */
  async write(id: string, offset: number, bytes: Uint8Array): Promise<void> {
    const upload = this.#find(id);
    const fits = Number.isSafeInteger(offset) && offset >= 0 && offset + bytes.length <= upload.size;
    if (!fits || bytes.length > PART_BYTES) throw new LiveFilesError('bad-range');
    upload.lastUsed = Date.now();
    await inTurn(upload, async () => {
      await using file = await open(this.#fileOf(id), constants.O_WRONLY | constants.O_NOFOLLOW);
      for (let written = 0; written < bytes.length;) {
        written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
      }
    });
  }

  /**
   * Ends an upload and hands over its file, which is the caller's from now on, to move or to remove.
   *
   * @throws LiveFilesError upload-unknown, upload-differs (the upload is gone then too)
   */
  async take(id: string, sha256: string): Promise<{ target: Target; file: string }> {
    const upload = this.#find(id);
    this.#open.delete(id);
    const file = this.#fileOf(id);
    const content = await inTurn(upload, () => readFile(file));
    if (content.length === upload.size && createHash('sha256').update(content).digest('hex') === sha256) {
      return { target: upload.target, file };
    }
    await rm(file, { force: true });
    throw new LiveFilesError('upload-differs');
  }

  /** Ends an upload; one that is not there any more is fine. */
  async abort(id: string): Promise<void> {
    const upload = this.#open.get(id);
    if (!upload) return;
    this.#open.delete(id);
    await inTurn(upload, () => rm(this.#fileOf(id), { force: true }));
  }

  /** Removes uploads that rest for too long, those of an earlier process too. @returns how many */
  async sweep(now = Date.now()): Promise<number> {
    const since = now - UPLOAD_REST_MS;
    const resting = [...this.#open].filter(([, { lastUsed }]) => lastUsed < since).map(([id]) => id);
    await Promise.all(resting.map((id) => this.abort(id)));
    let swept = resting.length;
    for (const name of await readdir(this.folder)) {
      if (!name.startsWith(PREFIX) || this.#open.has(name.slice(PREFIX.length))) continue;
      const stats = await lstat(join(this.folder, name)).catch(() => undefined);
      if (!stats || stats.mtimeMs >= since) continue;
      await rm(join(this.folder, name), { force: true });
      swept += 1;
    }
    return swept;
  }

  #find(id: string): Upload<Target> {
    const upload = this.#open.get(id);
    if (!upload) throw new LiveFilesError('upload-unknown');
    return upload;
  }

  async #create(id: string): Promise<void> {
    const file = await open(this.#fileOf(id), 'wx', 0o600);
    await file.close();
  }

  #fileOf(id: string): string {
    return join(this.folder, `${PREFIX}${id}`);
  }
}

const PREFIX = 'upload-';

function inTurn<Result>(upload: Upload<unknown>, work: () => Promise<Result>): Promise<Result> {
  const result = upload.turn.then(work, work);
  upload.turn = result.catch(() => undefined);
  return result;
}
