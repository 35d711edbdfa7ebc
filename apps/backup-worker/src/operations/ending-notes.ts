import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '@buckets/contracts';
import { isAbsence, namesWithin } from '../file-system/paths.js';
import type { Disk } from '../host-data/disk.js';
import { DataRootMissingError } from '../host-data/errors.js';
import type { Ending } from './operation.js';

/**
 * What an attempt came to, on disk from the moment in which it is known until the claim of it is stored: should the
 * worker die in between, the next attempt claims just that, and makes nothing twice.
 */
export class EndingNotes {
  constructor(
    private readonly folder: string,
    private readonly disk: Disk,
    /** @throws {DataRootMissingError} what is not there may be where the data root is */
    private readonly dataRootMustBeHere: () => Promise<void>,
  ) {}

  /** Without the data root there is nowhere to note it: then the claim alone tells. */
  async write(operationId: string, ending: Ending): Promise<void> {
    if (await this.isDataRootHere()) await this.disk.writeRecord(this.file(operationId), ending);
  }

  /** @throws {DataRootMissingError} */
  async read(operationId: string): Promise<Ending | undefined> {
    return this.unlessAway(async () => (await this.disk.readRecord(this.file(operationId))) as Ending | undefined);
  }

  /**
   * Not flushed: should a crash of the machine bring it back, its operation has ended all the same, and nobody reads it.
   *
   * @throws {DataRootMissingError}
   */
  async remove(operationId: string): Promise<void> {
    await this.unlessAway(() =>
      unlink(this.file(operationId)).then(
        () => true,
        (error: unknown) => {
          if (!isAbsence(error)) throw error;
        },
      ),
    );
  }

  /** Removes notes that nobody has come back for, such as those of projects that have moved away. */
  async sweep(olderThanMs: number): Promise<void> {
    for (const name of await namesWithin(this.folder)) {
      const { mtimeMs } = await stat(join(this.folder, name));
      if (Date.now() - mtimeMs > olderThanMs) await this.disk.removeRecord(join(this.folder, name));
    }
  }

  /** What is found; nothing, only if the data root was there before and after. */
  private async unlessAway<R>(find: () => Promise<R | undefined>): Promise<R | undefined> {
    await this.dataRootMustBeHere();
    const found = await find();
    if (found === undefined) await this.dataRootMustBeHere();
    return found;
  }

  private isDataRootHere(): Promise<boolean> {
    return this.dataRootMustBeHere().then(
      () => true,
      (error: unknown) => {
        if (error instanceof DataRootMissingError) return false;
        throw error;
      },
    );
  }

  private file(operationId: string): string {
    if (!isId(operationId)) throw new TypeError('Not the id of an operation.');
    return join(this.folder, `${operationId}.json`);
  }
}
