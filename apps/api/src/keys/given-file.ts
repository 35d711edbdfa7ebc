import { readFile } from 'node:fs/promises';

/**
 * What is in a file of JSON that an operator has named.
 *
 * @param variable the setting that names it
 * @throws {Error} a sentence that names both, and says nothing of what the file holds
 */
export async function readGivenFile(path: string, variable: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'There is no such file' : `It cannot be read (${code})`;
    throw new Error(`${what}: ${path}, which ${variable} names.`, { cause: error });
  }
}

/**
 * @param what the text is, for the sentence
 * @throws {Error} that says nothing of what it holds
 */
export function jsonIn(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${what} is not JSON.`);
  }
}
