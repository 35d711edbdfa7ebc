import { isUtf8 } from 'node:buffer';

/**
 * A path below the tree's folder with one character per byte (latin1), so that names that are not valid UTF-8 stay exact
 * and can be keys of a map. The tree's own folder is ''.
 */
export type RawPath = string;

export function rawPath(path: string | Buffer): RawPath {
  return Buffer.from(path).toString('latin1');
}

/** The path's bytes below the folder, ready for the file system. */
export function fullPath(folder: string, path: RawPath): Buffer {
  return path === '' ? Buffer.from(folder) : Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')]);
}

export function childPath(parent: RawPath, name: Buffer): RawPath {
  return parent === '' ? rawPath(name) : `${parent}/${rawPath(name)}`;
}

/** The path for people, on one line: control characters, backslashes and bytes that are not UTF-8 are written as \xNN. */
export function readablePath(path: RawPath): string {
  if (path === '') return '.';
  const bytes = Buffer.from(path, 'latin1');
  return isUtf8(bytes)
    ? bytes.toString().replace(/[\p{C}\\]/gu, (character) => escaped(Buffer.from(character)))
    : path.replace(/[^ -[\]-~]/g, (byte) => escaped(Buffer.from(byte, 'latin1')));
}

function escaped(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
