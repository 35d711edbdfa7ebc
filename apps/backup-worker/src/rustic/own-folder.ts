import { mkdir } from 'node:fs/promises';

/** Makes a folder for its owner alone if it is not there, and none above it: that one may be of a data root that is away. */
export async function ownFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}
