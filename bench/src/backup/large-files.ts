import { randomFillSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';

const BYTES = 1.2e9;
const FILES = 12;

/** 1.2 GB of random data, so that there is nothing to compress or to find again. */
export async function growLargeFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const piece = 4 * 2 ** 20;
  for (let file = 0; file < FILES; file++) {
    await pipeline(
      function* () {
        for (let left = BYTES / FILES; left > 0; left -= piece)
          yield randomFillSync(Buffer.alloc(Math.min(piece, left)));
      },
      createWriteStream(join(folder, `${file}.bin`)),
    );
  }
  await execa('sync');
}
