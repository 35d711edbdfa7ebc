import { growTree, type GrowTreeOptions } from '@buckets/trees';

/** Grows a tree with all hard cases that the user who runs the tests can make. @returns what is left out */
export async function growHardTree(folder: string, options: Omit<GrowTreeOptions, 'hardCases'>): Promise<string[]> {
  const { leftOut } = await growTree(folder, { ...options, hardCases: true });
  return leftOut.map(({ hardCase, reason }) => `${hardCase} (${reason})`);
}
