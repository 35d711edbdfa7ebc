import { ROOTS } from '@buckets/contracts';
import { unescapeName } from '../file-system/escaped-name.js';
import { NAME_BYTES, PATH_BYTES } from './limits.js';
import { badPath } from './live-files-error.js';

/** The names from the project's folder down, each one component that is neither '.' nor '..'; empty for the folder itself. */
export type LivePath = readonly Buffer[];

/**
 * Reads a path of the API: `project/…` or `persist/…`, names as escapeName gives them; '' and '/' are the project's folder.
 * Nothing in that but its roots can be reached.
 *
 * @throws LiveFilesError bad-path
 */
export function parseLivePath(path: string): LivePath {
  if (path === '' || path === '/') return [];
  if (Buffer.byteLength(path) > PATH_BYTES) throw badPath('too-long');
  const [first, ...others] = path.split('/');
  if (!ROOTS.some((root) => first === root)) throw badPath('root');
  const names = [Buffer.from(first!), ...others.map(parseName)];
  return names;
}

function parseName(text: string): Buffer {
  const name = unescapeName(text);
  if (text === '') throw badPath('name-empty');
  if (!name) throw badPath('name-escaped');
  if (name.length > NAME_BYTES) throw badPath('name-too-long');
  // An escape cannot hide these, as it would not be the form that escapeName gives them; yet this is the last gate.
  if (name.includes(0) || name.includes('/')) throw badPath('name-forbidden');
  if (name.equals(Buffer.from('.')) || name.equals(Buffer.from('..'))) throw badPath('name-dots');
  return name;
}
