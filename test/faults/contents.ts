import { existsSync } from 'node:fs';
import { compareTrees, describeTree, differenceText, type TreeDescription } from '@buckets/trees';
import { RESTLESS } from './tenant.js';

/** A folder that is not there, or holds no file. */
export const NOTHING: TreeDescription = new Map();

interface Stillness {
  tree: TreeDescription;
  /** Milliseconds since 1970; undefined while it lasts. */
  from: number;
  to?: number;
}

/** What a project's folder held, and between which moments it stood still: a backup made in between holds just that. */
export class Contents {
  readonly #past: Stillness[] = [];
  #now: Stillness | undefined;

  /** What the folder holds now; undefined while it may be changing. */
  get now(): TreeDescription | undefined {
    return this.#now?.tree;
  }

  /** From now on the folder may change. */
  moves(): void {
    if (this.#now === undefined) return;
    this.#past.push({ ...this.#now, to: Date.now() });
    this.#now = undefined;
  }

  /** The folder holds this since that moment, and nobody changes it. */
  stands(tree: TreeDescription, from: number): void {
    this.moves();
    this.#now = { tree, from };
  }

  /** What was there all the time between two moments; undefined when the folder may have moved meanwhile. */
  between(beganAt: string, endedAt: string): TreeDescription | undefined {
    const [began, ended] = [Date.parse(beganAt), Date.parse(endedAt)];
    const all = this.#now === undefined ? this.#past : [...this.#past, this.#now];
    return all.find(({ from, to = Infinity }) => from <= began && ended <= to)?.tree;
  }
}

/** What stands in a project's folder now, but for what its tenant may be changing at any time. */
export async function lookAt(folder: string): Promise<TreeDescription> {
  return existsSync(folder) ? describeTree(folder, { leaveOut: RESTLESS }) : NOTHING;
}

export function differences(expected: TreeDescription, actual: TreeDescription): string[] {
  if (holdsNothing(expected) && holdsNothing(actual)) return [];
  return compareTrees(expected, actual, { topFolder: false, allocated: 'ignore' }).map(differenceText);
}

export function holdsNothing(tree: TreeDescription): boolean {
  return ![...tree.values()].some(({ type }) => type === 'file');
}

export function bytesOf(tree: TreeDescription): number {
  return [...tree.values()].reduce((sum, { size = 0 }) => sum + size, 0);
}
