import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { findTool } from '@buckets/real-parts';
import { execa } from 'execa';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalAccess } from './access.js';
import type { BackupOrder, BackupSucceeded } from './backup.js';
import { PATIENT, TestBench } from './testing/bench.js';

jest.setTimeout(60_000);

const hasCompiler = !(await execa('cc', ['--version'], { reject: false })).failed;
const isOurs = (await execa(await findTool('rustic'), ['backup', '--help'])).stdout.includes('--settled-before');

/** Notes each file `watched` that is opened. Where SWAP names a folder, another takes its place while a file in it is opened. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static void swap(void) {
  const char *one = getenv("SWAP"), *other = getenv("SWAP_WITH"), *aside = getenv("SWAP_BY");
  if (one == 0) return;
  if (rename(one, aside) || rename(other, one) || rename(aside, other)) abort();
}

int open64(const char *path, int flags, ...) {
  static int (*real)(const char *, int, mode_t);
  if (real == 0) real = (int (*)(const char *, int, mode_t))dlsym(RTLD_NEXT, "open64");
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  const char *name = strrchr(path, '/');
  if (name == 0 || strcmp(name, "/watched") != 0) return real(path, flags, mode);
  FILE *notes = fopen(getenv("NOTES"), "a");
  fprintf(notes, "%s\\n", path);
  fclose(notes);
  const char *one = getenv("SWAP");
  int swaps = one != 0 && strncmp(path, one, strlen(one)) == 0;
  if (swaps) swap();
  int file = real(path, flags, mode);
  if (swaps) swap();
  return file;
}
`;

let bench: TestBench;
let access: LocalAccess;
beforeEach(async () => {
  bench = await TestBench.make();
  access = await bench.repository();
});
afterEach(() => bench[Symbol.asyncDispose]());

/** @returns what was made, and which of the files named `watched` were opened for it */
async function backUp(
  order: Partial<BackupOrder>,
  swap: Record<string, string> = {},
): Promise<BackupSucceeded & { opened: string[] }> {
  const notes = bench.path('notes');
  await rm(notes, { force: true });
  const environment = { LD_PRELOAD: bench.path('shim.so'), NOTES: notes, ...swap };
  const made = await bench.unconfined({ environment }).backup(access, bench.order(order), PATIENT);
  if (made.outcome !== 'succeeded') throw new Error(JSON.stringify(made));
  const opened = (await readFile(notes, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  return { ...made, opened: opened.map((path) => path.slice(bench.root.length)).sort() };
}

/** After everything that is there now. */
const NOW = () => Date.now();

(isOurs && hasCompiler ? describe : describe.skip)('rustic, told which files of the parent are settled,', () => {
  beforeEach(async () => {
    await writeFile(bench.path('shim.c'), SHIM);
    await execa('cc', ['-shared', '-fPIC', '-o', bench.path('shim.so'), bench.path('shim.c'), '-ldl']);
  });

  it('opens those that are younger, and counts them as what they are', async () => {
    const file = await bench.write('project/watched', 'content');
    const { snapshotId: parent, opened } = await backUp({});
    expect(opened).toEqual(['/project/watched']);
    const { ctimeMs } = await stat(file);
    const cases: [number | undefined, string[]][] = [
      [NOW(), []],
      [Math.floor(ctimeMs) + 1, []],
      [Math.floor(ctimeMs), ['/project/watched']],
      [0, ['/project/watched']],
      [undefined, ['/project/watched']],
    ];
    for (const [settledBefore, expected] of cases) {
      const made = await backUp({ parent, settledBefore });
      expect({ settledBefore, opened: made.opened }).toEqual({ settledBefore, opened: expected });
      expect(made.summary).toMatchObject({ filesUnmodified: 1, filesChanged: 0, filesNew: 0, bytesAdded: 0 });
    }
  });

  it('never takes for unchanged what was another file when it was opened than when it was looked at', async () => {
    await bench.write('project/one/watched', 'one');
    await bench.write('project/two/watched', 'two');
    const [one, two] = [join(bench.root, 'project/one'), join(bench.root, 'project/two')];
    const swap = { SWAP: one, SWAP_WITH: two, SWAP_BY: join(bench.root, 'project/aside') };
    const first = await backUp({}, swap);
    await bench.rustic().restore(access, first.snapshotId, bench.path('restored-1'), PATIENT);
    expect(await readFile(bench.path('restored-1/project/one/watched'), 'utf8')).toBe('two');
    // The folders are back in their places, and all stamps of the files are as they were.
    const second = await backUp({ parent: first.snapshotId, settledBefore: NOW() });
    expect(second.opened).toEqual(['/project/one/watched']);
    await bench.rustic().restore(access, second.snapshotId, bench.path('restored-2'), PATIENT);
    expect(await readFile(bench.path('restored-2/project/one/watched'), 'utf8')).toBe('one');
  });
});
