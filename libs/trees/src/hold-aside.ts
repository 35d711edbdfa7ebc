import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TreeDescription } from './describe-tree.js';
import type { RawPath } from './raw-path.js';
import type { TreeEntry } from './tree-entry.js';

type Entries = Iterable<[RawPath, TreeEntry]> | AsyncIterable<[RawPath, TreeEntry]>;

/** Writes a description to a file, one JSON line for each entry and a last one with their number. */
export async function holdAside(entries: Entries, file: string): Promise<void> {
  await pipeline(Readable.from(linesOf(entries)), createWriteStream(file));
}

async function* linesOf(entries: Entries): AsyncGenerator<string> {
  let count = 0;
  for await (const [path, entry] of entries) {
    count += 1;
    yield `${JSON.stringify({ path, ...entry })}\n`;
  }
  yield `${JSON.stringify({ entries: count })}\n`;
}

/**
 * Reads what holdAside wrote.
 *
 * @throws Error when the file was cut short
 */
export async function takeUp(file: string): Promise<TreeDescription> {
  const description: TreeDescription = new Map();
  let promised: number | undefined;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const read = JSON.parse(line) as { entries: number } | ({ path: RawPath } & TreeEntry);
    if ('entries' in read) {
      promised = read.entries;
    } else {
      const { path, ...entry } = read;
      description.set(path, entry);
    }
  }
  if (promised !== description.size) throw new Error(`${file} was cut short: describe the tree again`);
  return description;
}
