import { readFile } from 'node:fs/promises';
import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync } from 'class-validator';
import { isId } from '@buckets/contracts';
import { CreateBucket } from '../buckets/buckets.controller.js';
import { CreateRegion } from '../regions/regions.controller.js';

export type GivenRegion = CreateRegion & { id: string };
export type GivenBucket = CreateBucket & { id: string };

/** Regions and buckets as they were made, or are to be: what the API takes for each, with the id. */
export interface RecoveryFile {
  regions: GivenRegion[];
  buckets: GivenBucket[];
}

/** @throws {Error} that says what is wrong with the file, and nothing of what it holds */
export async function readRecoveryFile(path: string): Promise<RecoveryFile> {
  return recoveryFileOf(await readFile(path, 'utf8'));
}

export function recoveryFileOf(text: string): RecoveryFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('The file with the buckets is not JSON.');
  }
  const { regions = [], buckets = [] } = (value ?? {}) as { regions?: unknown; buckets?: unknown };
  return { regions: listOf('regions', CreateRegion, regions), buckets: listOf('buckets', CreateBucket, buckets) };
}

function listOf<T extends { id?: string }>(
  name: string,
  type: ClassConstructor<T>,
  list: unknown,
): (T & { id: string })[] {
  if (!Array.isArray(list)) throw new Error(`In the file with the buckets, "${name}" is not a list.`);
  return list.map((each: unknown, index) => {
    const instance = plainToInstance(type, each ?? {});
    const [error] = validateSync(instance, { whitelist: true, forbidUnknownValues: true });
    const wrong = error === undefined ? idFault(instance.id) : Object.values(error.constraints ?? {})[0];
    if (wrong !== undefined) throw new Error(`In the file with the buckets, ${name}[${index}] is wrong: ${wrong}.`);
    return instance as T & { id: string };
  });
}

function idFault(id: unknown): string | undefined {
  return isId(id) ? undefined : 'id must be the id that it is to have';
}
