import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';

/** How the names of what is not finished end. */
export const UNFINISHED = '.unfinished';

/** Writes a file so that a reader, or a crash, sees all of it or nothing. */
export function writeAtomically(file, content, options = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = besides(file);
  try {
    writeFileSync(temporary, content, { ...options, flag: 'wx' });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** A name in the same folder that nobody else uses. */
export function besides(path) {
  return join(dirname(path), `.${randomBytes(6).toString('hex')}${UNFINISHED}`);
}
