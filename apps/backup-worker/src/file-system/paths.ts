import { lstat, mkdir, readdir } from 'node:fs/promises';

/**
 * Makes a folder if it is not there, by default for its owner alone, and none above it: that one may be of a data root that
 * is away. @returns whether it was made
 */
export async function ownFolder(path: string, mode = 0o700): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** True when something stands at the path, be it a link that leads nowhere. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** The names in a folder; none where it is not there. */
export async function namesWithin(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isAbsence(error)) return [];
    throw error;
  });
}

/** True for the error that says that nothing is there. */
export function isAbsence(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** The system's name of an error (ENOENT, EACCES, …), undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
