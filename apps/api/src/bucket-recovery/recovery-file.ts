import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { isId } from '@buckets/contracts';
import { CreateBucket } from '../buckets/buckets.controller.js';
import { CreateRegion } from '../regions/regions.controller.js';
import { jsonIn, readGivenFile } from '../keys/given-file.js';

export type GivenRegion = CreateRegion & { id: string };
export type GivenBucket = CreateBucket & { id: string };

/** Regions and buckets as they were made, or are to be: what the API takes for each, with the id. */
export interface RecoveryFile {
  regions: GivenRegion[];
  buckets: GivenBucket[];
}

/** @throws {Error} that says what is wrong with the file, and nothing of what it holds */
export async function readRecoveryFile(path: string, variable: string): Promise<RecoveryFile> {
  return recoveryFileOf(await readGivenFile(path, variable));
}

export function recoveryFileOf(text: string): RecoveryFile {
  const value = jsonIn(text, 'The file with the buckets');
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
    const wrong = error === undefined ? idFault(instance.id) : faultIn(error);
    const which = `${name}[${index}]${isId(instance.id) ? ` (${instance.id})` : ''}`;
    if (wrong !== undefined) throw new Error(`In the file with the buckets, ${which} is wrong: ${wrong}.`);
    return instance as T & { id: string };
  });
}

function faultIn({ property, value, constraints = {} }: ValidationError): string {
  if (value === undefined || value === null || value === '') return `${property} is missing`;
  if ('matches' in constraints) return `${property} ${FORMS[property] ?? FORMS['id']}`;
  return Object.values(constraints)[0] ?? `${property} is wrong`;
}

/** What a pattern asks for, in words. */
const FORMS: Record<string, string> = {
  id: 'is no id: lower-case letters, digits and hyphens, 63 at most, not a hyphen first',
  bucket: 'is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens',
};

function idFault(id: unknown): string | undefined {
  return isId(id) ? undefined : 'id must be the id that it is to have';
}
