import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { growTree, type GrowTreeOptions } from '@buckets/trees';

const isRoot = process.geteuid?.() === 0;

/** Grows a tree with all hard cases that can be backed up and restored by the user who runs the tests. @returns what is left out */
export async function growHardTree(folder: string, options: Omit<GrowTreeOptions, 'hardCases'>): Promise<string[]> {
  const { leftOut } = await growTree(folder, { ...options, hardCases: true });
  const named = leftOut.map(({ hardCase, reason }) => `${hardCase} (${reason})`);
  if (isRoot) return named;
  await rm(join(folder, 'hard-cases/extended-attributes/read-only'), { force: true });
  return [...named, 'attributes of a read-only file (needs root: rustic sets them after the mode)'];
}
