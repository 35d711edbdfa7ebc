import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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

/** The SHA-256 of a file, in hex. */
export async function sha256Of(file) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 ** 2 })) hash.update(chunk);
  return hash.digest('hex');
}

/** The SHA-256 of a text, in hex. */
export function sha256OfText(text) {
  return createHash('sha256').update(text).digest('hex');
}

/** The files below a folder, as paths from there. Node.js has this too, but not all that run this agree on it. */
export function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return filesIn(join(folder, entry.name)).map((file) => join(entry.name, file));
    return entry.isFile() ? [entry.name] : [];
  });
}
