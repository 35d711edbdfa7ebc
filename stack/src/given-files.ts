import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

/** Where an operator names a file of their own, and how the programs of the API take one. */
export const BUCKET_CREDENTIALS_FILE = 'BUCKETS_BUCKET_CREDENTIALS_FILE';
export const RECOVERY_FILE = 'BUCKETS_RECOVERY_FILE';

/**
 * What is in the file that an operator has named for a command, by the names of its fields; nothing where there is none. What
 * each has to be is looked at by the program that takes it.
 *
 * @param variable of the environment, which names it; a relative path is from the folder in which npm was called
 * @throws {Error} a sentence that says nothing of what the file holds
 */
export async function givenFile(
  variable: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Record<string, unknown>> {
  const named = environment[variable];
  if (named === undefined || named === '') return {};
  const path = resolve(environment['INIT_CWD'] ?? process.cwd(), named);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${path}, which ${variable} names, cannot be read (${code}).`, { cause: error });
  });
  const value = parsed(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${path}, which ${variable} names, is no JSON object.`);
}

/** The stack's own and those of the operator's list, whose word on one of the stack's own counts. */
export function withGiven(local: readonly { id: string }[], given: unknown): unknown {
  if (given === undefined) return local;
  // The program that takes the list says what is wrong with it.
  if (!Array.isArray(given)) return given;
  const ids = given.map((each: unknown) => (each as { id?: unknown } | null)?.id);
  return [...local.filter(({ id }) => !ids.includes(id)), ...(given as unknown[])];
}

/** Undefined of what is no JSON: the error would show a part of it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
