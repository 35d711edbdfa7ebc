import { readablePath, type RawPath } from './raw-path.js';
import type { TreeEntry } from './tree-entry.js';

export type DifferenceKind =
  | 'missing'
  | 'unexpected'
  | 'unreadable'
  | 'type'
  | 'mode'
  | 'owner'
  | 'group'
  | 'mtime'
  | 'size'
  | 'content'
  | 'link-target'
  | 'link-count'
  | 'hard-link'
  | 'attributes'
  | 'device'
  | 'allocated';

export interface Difference {
  /** For people: see readablePath. */
  path: string;
  kind: DifferenceKind;
  expected: string;
  actual: string;
}

export interface CompareOptions {
  /**
   * Bytes that a file may take on disk beyond what the original takes, or 'ignore'. Default 64 KiB: file systems keep
   * their own books within that. A restore whose holes come out in whole chunks needs more.
   */
  allocated?: 'ignore' | { notMoreThanBy: number };
  /** Whether the two top folders themselves are compared too. Default true. */
  topFolder?: boolean;
}

/**
 * What differs between two descriptions, in the order of the paths; empty when the actual tree is a faithful copy.
 * An entry that could not be read on either side always differs, since nothing is known about it.
 */
export function compareTrees(
  expected: ReadonlyMap<RawPath, TreeEntry>,
  actual: ReadonlyMap<RawPath, TreeEntry>,
  { allocated = { notMoreThanBy: 64 * 1024 }, topFolder = true }: CompareOptions = {},
): Difference[] {
  const slack = allocated === 'ignore' ? Infinity : allocated.notMoreThanBy;
  return [...new Set([...expected.keys(), ...actual.keys()])]
    .filter((path) => topFolder || path !== '')
    .sort()
    .flatMap((path) => {
      const found = compareEntries(expected.get(path), actual.get(path), slack);
      return found.map(([kind, was, is]) => ({ path: readablePath(path), kind, expected: was, actual: is }));
    });
}

export function differenceText({ path, kind, expected, actual }: Difference): string {
  return `${path}: ${kind}: expected ${expected}, found ${actual}`;
}

type Found = [kind: DifferenceKind, expected: string, actual: string];

function compareEntries(expected: TreeEntry | undefined, actual: TreeEntry | undefined, slack: number): Found[] {
  if (!expected || !actual) {
    return [[expected ? 'missing' : 'unexpected', expected?.type ?? 'nothing', actual?.type ?? 'nothing']];
  }
  if (expected.type !== actual.type) return [['type', expected.type, actual.type]];
  const found = ASPECTS.filter(([, of]) => of(expected) !== of(actual)).map(([kind, of]): Found => [
    kind,
    of(expected),
    of(actual),
  ]);
  if (expected.unreadable !== undefined || actual.unreadable !== undefined) {
    found.push(['unreadable', expected.unreadable ?? 'readable', actual.unreadable ?? 'readable']);
  } else if (expected.size === actual.size && expected.sha256 !== actual.sha256) {
    found.push(['content', `SHA-256 ${expected.sha256}`, `SHA-256 ${actual.sha256}`]);
  }
  if ((actual.allocated ?? 0) > (expected.allocated ?? 0) + slack) {
    found.push(['allocated', `${expected.allocated} bytes on disk`, `${actual.allocated} bytes on disk`]);
  }
  return found;
}

const ASPECTS: readonly [DifferenceKind, (entry: TreeEntry) => string][] = [
  ['mode', (entry) => entry.mode.toString(8).padStart(4, '0')],
  ['owner', (entry) => `${entry.uid}`],
  ['group', (entry) => `${entry.gid}`],
  ['mtime', (entry) => `${entry.mtimeNs} ns`],
  ['size', (entry) => `${entry.size} bytes`],
  ['link-target', (entry) => (entry.target === undefined ? 'none' : readablePath(entry.target))],
  ['link-count', (entry) => `${entry.links}`],
  ['hard-link', (entry) => (entry.linkedTo === undefined ? 'no other name' : readablePath(entry.linkedTo))],
  ['attributes', (entry) => JSON.stringify(entry.xattrs, Object.keys(entry.xattrs).sort())],
  ['device', (entry) => `${entry.device}`],
];
