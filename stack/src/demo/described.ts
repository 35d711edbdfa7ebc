import { countText } from '@buckets/contracts';
import { walkTree, type EntryType, type TreeDescription } from '@buckets/trees';
import { bytesText } from './quantities.js';
import type { Screen } from './screen.js';

/** Reads all of a folder, every byte of it, and shows how far that is. */
export async function described(
  doing: string,
  folder: string,
  screen: Screen,
  signal: AbortSignal,
): Promise<TreeDescription> {
  const description: TreeDescription = new Map();
  let bytes = 0;
  const sofar = () => `${doing}: ${countText(description.size, 'entry', 'entries')}, ${bytesText(bytes)}`;
  return screen.while(sofar, async () => {
    for await (const [path, entry] of walkTree(folder)) {
      signal.throwIfAborted();
      description.set(path, entry);
      bytes += entry.size ?? 0;
    }
    return description;
  });
}

/** `1,973 files in 94 folders and 19 other entries, 213 MB`: a file with several names counts with each. */
export function extentText(description: TreeDescription): string {
  const ofType = (type: EntryType) => [...description.values()].filter((entry) => entry.type === type);
  const files = ofType('file');
  const folders = ofType('folder').length - 1; // Not the top.
  const others = description.size - 1 - files.length - folders;
  const rest = others === 0 ? '' : ` and ${countText(others, 'other entry', 'other entries')}`;
  const bytes = files.reduce((sum, { size = 0 }) => sum + size, 0);
  return `${countText(files.length, 'file')} in ${countText(folders, 'folder')}${rest}, ${bytesText(bytes)}`;
}

/** Bytes that a copy of it takes on disk. */
export function bytesOnDisk(description: TreeDescription): number {
  return description.values().reduce((sum, { allocated = 0 }) => sum + allocated, 0);
}
