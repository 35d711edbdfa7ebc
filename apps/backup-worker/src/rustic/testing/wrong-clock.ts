import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** Stands before the C library's own function, for whoever asks for the time of day. */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  static atomic_long asked;
  if (real == 0) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (result != 0 || clock != CLOCK_REALTIME) return result;
  const char *ahead = getenv("CLOCK_AHEAD_SECONDS");
  const char *back = getenv("CLOCK_GOES_BACK");
  if (ahead != 0) time->tv_sec += atol(ahead);
  if (back != 0) time->tv_sec -= atomic_fetch_add(&asked, 1);
  return result;
}
`;

/** What a process has to find in its environment so that its clock alone is wrong; undefined without a C compiler. */
export async function wrongClock(
  folder: string,
  how: { aheadSeconds: number } | { goesBack: true },
): Promise<Record<string, string> | undefined> {
  const [source, library] = [join(folder, 'wrong-clock.c'), join(folder, 'wrong-clock.so')];
  await writeFile(source, SOURCE);
  const { failed } = await execa('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { reject: false });
  if (failed) return undefined;
  return {
    LD_PRELOAD: library,
    ...('goesBack' in how ? { CLOCK_GOES_BACK: '1' } : { CLOCK_AHEAD_SECONDS: String(how.aheadSeconds) }),
  };
}
