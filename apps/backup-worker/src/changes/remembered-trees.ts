import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsence, ownFolder } from '../file-system/paths.js';
import type { Remembered } from './change-ledger.js';
import type { ChangeCounter } from '@buckets/contracts';

/** Raised when the meaning of a fingerprint changes: files of another version are as good as none. */
const VERSION = 1;

/**
 * Keeps what each project's ledger remembers over a restart, one small file per project. A lost or old file makes projects
 * stale that are not; it never makes one fresh that is not (`change-ledger.ts`). So writing need not be waited for.
 */
export class RememberedTrees {
  /** Per project: what is being written, and the newest that waits for it. */
  readonly #writing = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Write>();

  /** `onProblem` hears of failed writes: the disk is full, the folder not writable. */
  constructor(
    private readonly folder: string,
    private readonly onProblem: (projectId: string, error: Error) => void,
  ) {}

  /** Nothing if there is any doubt: no file, not readable, of another generation, or the clock was set back since. */
  async load(projectId: string, generation: number): Promise<Remembered | undefined> {
    // A project that comes back at once finds what was about to be written.
    await this.#writing.get(projectId);
    try {
      const kept: unknown = JSON.parse(await readFile(this.#file(projectId), 'utf8'));
      return isKept(kept) && kept.generation === generation && (kept.at ?? 0) <= Date.now()
        ? { fingerprint: kept.fingerprint, backups: kept.backups }
        : undefined;
    } catch (error) {
      if (!isAbsence(error)) this.onProblem(projectId, error as Error);
      return undefined;
    }
  }

  /** Writes in the background; the newest wins. Nothing to remember removes the file. */
  save(projectId: string, generation: number, remembered: Remembered | undefined): void {
    this.#waiting.set(projectId, { generation, remembered });
    if (!this.#writing.has(projectId)) this.#writing.set(projectId, this.#write(projectId));
  }

  /** Waits until everything is on the disk. */
  async flush(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing.values());
  }

  async #write(projectId: string): Promise<void> {
    for (let next = this.#next(projectId); next; next = this.#next(projectId)) {
      try {
        await this.#replace(projectId, next);
      } catch (error) {
        this.onProblem(projectId, error as Error);
      }
    }
    this.#writing.delete(projectId);
  }

  #next(projectId: string): Write | undefined {
    const next = this.#waiting.get(projectId);
    this.#waiting.delete(projectId);
    return next;
  }

  async #replace(projectId: string, { generation, remembered }: Write): Promise<void> {
    const file = this.#file(projectId);
    if (!remembered) return await rm(file, { force: true });
    await ownFolder(this.folder);
    // The name need not be on the disk: after a crash of the machine, the file before does no harm.
    await writeSynced(`${file}.new`, JSON.stringify({ version: VERSION, generation, at: Date.now(), ...remembered }));
    await rename(`${file}.new`, file);
  }

  #file(projectId: string): string {
    return join(this.folder, `${encodeURIComponent(projectId)}.json`);
  }
}

interface Write {
  generation: number;
  remembered: Remembered | undefined;
}

async function writeSynced(path: string, content: string): Promise<void> {
  await using handle = await open(path, 'w', 0o600);
  await handle.writeFile(content);
  await handle.sync();
}

function isKept(kept: unknown): kept is Remembered & { generation: number; at?: number } {
  const { version, generation, at, fingerprint, backups } = (kept ?? {}) as Record<string, unknown>;
  return (
    version === VERSION &&
    Number.isInteger(generation) &&
    (at === undefined || Number.isInteger(at)) &&
    typeof fingerprint === 'string' &&
    /^[0-9a-f]{64}$/.test(fingerprint) &&
    Array.isArray(backups) &&
    backups.every((backup) => isCounter(backup) && backup.generation === generation)
  );
}

function isCounter(value: unknown): value is ChangeCounter {
  const { generation, epoch, n } = (value ?? {}) as Record<string, unknown>;
  return Number.isInteger(generation) && typeof epoch === 'string' && epoch !== '' && Number.isInteger(n);
}
