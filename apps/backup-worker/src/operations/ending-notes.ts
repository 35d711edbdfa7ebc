import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '@buckets/contracts';
import { exists, isAbsence, type Disk } from '../restore/disk.js';
import type { Ending } from './operation.js';

/**
 * What an attempt came to, on disk from the moment in which it is known until the claim of it is stored: should the
 * worker die in between, the next attempt claims just that, and makes nothing twice.
 */
export class EndingNotes {
  constructor(
    private readonly folder: string,
    private readonly disk: Disk,
  ) {}

  async write(operationId: string, ending: Ending): Promise<void> {
    await this.disk.writeRecord(this.file(operationId), ending);
  }

  async read(operationId: string): Promise<Ending | undefined> {
    return (await this.disk.readRecord(this.file(operationId))) as Ending | undefined;
  }

  async remove(operationId: string): Promise<void> {
    if (await exists(this.file(operationId))) await this.disk.removeRecord(this.file(operationId));
  }

  /** Removes notes that nobody has come back for, such as those of projects that have moved away. */
  async sweep(olderThanMs: number): Promise<void> {
    const names = await readdir(this.folder).catch((error: unknown) => {
      if (isAbsence(error)) return [];
      throw error;
    });
    for (const name of names) {
      const { mtimeMs } = await stat(join(this.folder, name));
      if (Date.now() - mtimeMs > olderThanMs) await this.disk.removeRecord(join(this.folder, name));
    }
  }

  private file(operationId: string): string {
    if (!isId(operationId)) throw new TypeError('Not the id of an operation.');
    return join(this.folder, `${operationId}.json`);
  }
}
