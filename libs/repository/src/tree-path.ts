import { PathNotFound } from './repository-error.js';

/** A path in a snapshot: a text, or bytes where it is not valid UTF-8. Slashes at its ends do not matter. */
export type TreePath = string | Uint8Array;

/**
 * The names along a path; none for the root.
 *
 * @throws PathNotFound for a path that no entry can have: one with `.`, `..`, or a zero byte
 */
export function namesOf(path: TreePath): Buffer[] {
  const bytes = Buffer.from(path);
  // One character for each byte, so that nothing is lost.
  const names = bytes.toString('latin1').split('/').filter(Boolean);
  if (names.some((name) => name === '.' || name === '..' || name.includes('\0'))) throw new PathNotFound(bytes);
  return names.map((name) => Buffer.from(name, 'latin1'));
}

export function joinPath(parent: Buffer, name: Buffer): Buffer {
  return parent.length === 0 ? name : Buffer.concat([parent, SLASH, name]);
}

const SLASH = Buffer.from('/');
