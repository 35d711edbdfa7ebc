import { ROOTS } from '@buckets/contracts';
import { unescapeName } from '../file-system/escaped-name.js';
import { NAME_BYTES, PATH_BYTES } from './limits.js';
import { LiveFilesError } from './live-files-error.js';

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
  if (Buffer.byteLength(path) > PATH_BYTES) throw new LiveFilesError('bad-path');
  const names = path.split('/').map(parseName);
  if (!ROOTS.some((root) => names[0]?.equals(Buffer.from(root)))) throw new LiveFilesError('bad-path');
  return names;
}

function parseName(text: string): Buffer {
  const name = unescapeName(text);
  if (!name || name.length === 0 || name.length > NAME_BYTES) throw new LiveFilesError('bad-path');
  // An escape cannot hide these, as it would not be the form that escapeName gives them; yet this is the last gate.
  if (name.includes(0) || name.includes('/')) throw new LiveFilesError('bad-path');
  if (name.equals(Buffer.from('.')) || name.equals(Buffer.from('..'))) throw new LiveFilesError('bad-path');
  return name;
}
