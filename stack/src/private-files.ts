import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Makes a folder that only its owner can look into. */
export async function privateFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Writes a file that only its owner can read, all of it or nothing. */
export async function writePrivately(file: string, content: string | Uint8Array): Promise<void> {
  await throughTemporary(file, content, rename);
}

/** The text of a file that only its owner can read; made and kept by the first who asks. */
export async function keptText(file: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await throughTemporary(file, await make(), async (temporary, target) => {
    // A link never replaces: whoever was first has made it for all.
    await link(temporary, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  });
  return readFile(file, 'utf8');
}

async function throughTemporary(
  file: string,
  content: string | Uint8Array,
  place: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(file), `.${randomBytes(6).toString('hex')}.unfinished`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await place(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
