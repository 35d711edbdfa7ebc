import { chmod, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsence, namesWithin, ownFolder } from '../file-system/paths.js';
import { DamagedRecordError } from './errors.js';

const DRAFT = '.tmp';

/** Told after each step that changed the disk; tests end the process there. */
export type StepHook = (step: string) => void | Promise<void>;

/** Changes to folders and records that are on disk, not just in memory, when they return. */
export class Disk {
  constructor(private readonly afterStep: StepHook = () => undefined) {}

  /** Makes a folder if it is not there, as `ownFolder` does. */
  async makeFolder(folder: string, mode?: number): Promise<void> {
    if (!(await ownFolder(folder, mode))) return;
    await this.afterStep(`made ${folder}`);
    await this.flushFolder(dirname(folder));
  }

  /** Renames; whoever calls flushes both folders, so that several renames share one flush. */
  async move(from: string, to: string): Promise<void> {
    await rename(from, to);
    await this.afterStep(`moved ${from} to ${to}`);
  }

  /** Changes a folder's permission bits, for the time being. */
  async openFolder(folder: string, mode: number): Promise<void> {
    await chmod(folder, mode);
    await this.afterStep(`opened ${folder}`);
  }

  /** Sets a folder's permission bits for good. */
  async setMode(folder: string, mode: number): Promise<void> {
    const handle = await open(folder, 'r');
    try {
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.afterStep(`set the mode of ${folder}`);
  }

  async flushFolder(folder: string): Promise<void> {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.afterStep(`flushed ${folder}`);
  }

  /** Replaces a JSON file as a whole: after a crash it holds either the old value or the new one. */
  async writeRecord(file: string, value: object): Promise<void> {
    await this.writeText(file, `${JSON.stringify(value, null, 2)}\n`);
  }

  /** The same for any text. */
  async writeText(file: string, text: string): Promise<void> {
    await this.makeFolder(dirname(file));
    const temporary = `${file}${DRAFT}`;
    await rm(temporary, { force: true });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } catch (error) {
      await rm(temporary, { force: true }); // Such as when the disk is full.
      throw error;
    } finally {
      await handle.close();
    }
    await this.afterStep(`wrote ${temporary}`);
    await this.move(temporary, file);
    await this.flushFolder(dirname(file));
  }

  /** Removes what was cut off in the middle of writing a record. For the start, before anybody writes one. */
  async removeDrafts(folder: string): Promise<void> {
    const names = await namesWithin(folder);
    // One that stays does no harm: whoever writes the record removes it first, or says why that cannot be.
    const drafts = names.filter((each) => each.endsWith(DRAFT));
    await Promise.allSettled(drafts.map((name) => rm(join(folder, name), { force: true })));
  }

  /** The value of a record, undefined when there is none. @throws DamagedRecordError when it is not JSON. */
  async readRecord(file: string): Promise<unknown> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new DamagedRecordError(file, { cause: error });
    }
  }

  async removeRecord(file: string): Promise<void> {
    await rm(file, { force: true });
    await this.afterStep(`removed ${file}`);
    await this.flushFolder(dirname(file));
  }
}
