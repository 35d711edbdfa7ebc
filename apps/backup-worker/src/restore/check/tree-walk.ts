import { opendir } from 'node:fs/promises';

const SLASH = Buffer.from('/');

/**
 * Everything below a folder, as paths relative to `base`, the folder itself first; links are not followed.
 * Holds the names of folders still to be read, no listing as a whole.
 * @param onUnreadable takes a folder that could not be read, and why
 */
export async function* walkTree(
  base: Buffer,
  folder: Buffer,
  onUnreadable: (path: Buffer, error: Error) => void,
): AsyncGenerator<Buffer> {
  const pending = [folder];
  yield folder;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    try {
      const entries = await opendir(joined(base, path), { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
      for await (const entry of entries) {
        // The type of `opendir` does not know its encoding "buffer".
        const child = joined(path, entry.name as unknown as Buffer);
        if (entry.isDirectory()) pending.push(child);
        yield child;
      }
    } catch (error) {
      onUnreadable(path, error as Error);
    }
  }
}

export function joined(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}
