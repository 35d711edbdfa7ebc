import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

const FILES_IN_A_FOLDER = 100;
const FILES_AT_ONCE = 1_000;
const MIB = 2 ** 20;

/** Makes small files, each unlike the others: so many in the folder `many`, and the others in folders of a hundred. */
export async function growFiles(folder: string, files: number, inOneFolder: number): Promise<void> {
  mkdirSync(join(folder, 'many'), { recursive: true });
  for (let n = 0; n < files; n++) {
    const group = n < inOneFolder ? 'many' : `folders/${Math.floor(n / 10_000)}/${Math.floor(n / FILES_IN_A_FOLDER)}`;
    if (n >= inOneFolder && (n === inOneFolder || n % FILES_IN_A_FOLDER === 0)) {
      mkdirSync(join(folder, group), { recursive: true });
    }
    const file = openSync(join(folder, group, `image-${String(n).padStart(9, '0')}.jpeg`), 'wx');
    writeSync(file, `file number ${n} of many`);
    closeSync(file);
    // The stack lives in this process too.
    if (n % FILES_AT_ONCE === 0) await nextTurn();
  }
}

/** Makes a file of so many bytes that has only some of them, spread over all of it in pieces of a mebibyte. */
export async function growImage(path: string, bytes: number, filledBytes: number): Promise<void> {
  writeFileSync(path, '');
  await using image = await open(path, 'r+');
  await image.truncate(bytes);
  const pieces = Math.ceil(filledBytes / MIB);
  const piece = Buffer.alloc(MIB);
  for (let n = 0; n < pieces; n++) {
    randomFillSync(piece);
    await image.write(piece, 0, MIB, Math.floor(((bytes - MIB) / pieces) * n));
  }
}
