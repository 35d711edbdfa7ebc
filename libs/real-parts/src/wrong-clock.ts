import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** How a clock is wrong; ahead by less than nothing: behind. */
export type WrongClock = { aheadSeconds: number } | { goesBack: true };

/** Stands before the C library's own functions, for whoever asks for the time of day. */
const CLOCK = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t ahead(void) {
  static atomic_long asked;
  const char *seconds = getenv("CLOCK_AHEAD_SECONDS");
  if (getenv("CLOCK_GOES_BACK") != 0) return -atomic_fetch_add(&asked, 1);
  return seconds == 0 ? 0 : atol(seconds);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == 0) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += ahead();
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (real == 0) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(now, zone);
  if (result == 0) now->tv_sec += ahead();
  return result;
}
`;

/** What a process has to find in its environment so that its clock alone is wrong; undefined without a C compiler. */
export async function wrongClock(folder: string, how: WrongClock): Promise<Record<string, string> | undefined> {
  const library = await clockLibrary(folder);
  if (library === undefined) return undefined;
  return {
    LD_PRELOAD: library,
    ...('goesBack' in how ? { CLOCK_GOES_BACK: '1' } : { CLOCK_AHEAD_SECONDS: String(how.aheadSeconds) }),
  };
}

/** Has the library and the other program in itself: whoever starts it need see neither, nor pass on an environment. */
const PROGRAM = `
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD(name, file) \\
  __asm__(".section .rodata\\n" #name ": .incbin \\"" file "\\"\\n" #name "_end: .byte 0\\n.previous\\n"); \\
  extern const char name[], name##_end[];
HELD(held_library, LIBRARY)
HELD(held_program, PROGRAM)

static int put(const char *path, const char *from, const char *end) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
  if (file < 0) return 0;
  while (from < end) {
    ssize_t written = write(file, from, end - from);
    if (written <= 0) return 0;
    from += written;
  }
  return close(file) == 0;
}

static void run_in(const char *folder, char **arguments) {
  char library[4096], program[4096];
  snprintf(library, sizeof library, "%s/wrong-clock-%d.so", folder, (int)getpid());
  snprintf(program, sizeof program, "%s/program-%d", folder, (int)getpid());
  if (!put(library, held_library, held_library_end) || !put(program, held_program, held_program_end)) return;
  setenv("LD_PRELOAD", library, 1);
  setenv("CLOCK_AHEAD_SECONDS", AHEAD, 1);
  execv(program, arguments);
}

int main(int count, char **arguments) {
  const char *home = getenv("HOME");
  if (home != 0) run_in(home, arguments);
  run_in("", arguments);
  perror("a program with another clock");
  return 70;
}
`;

/**
 * Makes a program that runs another one with a wrong clock, whatever it finds in its environment and can see of the
 * machine; it leaves both behind in its home, or in /. Undefined without a C compiler.
 *
 * @returns its path
 */
export async function programWithWrongClock(
  folder: string,
  program: string,
  { aheadSeconds }: { aheadSeconds: number },
): Promise<string | undefined> {
  const library = await clockLibrary(folder);
  if (library === undefined) return undefined;
  const defined = { LIBRARY: library, PROGRAM: program, AHEAD: String(aheadSeconds) };
  return compiled(join(folder, `program-${aheadSeconds}`), PROGRAM, [
    ...Object.entries(defined).map(([name, text]) => `-D${name}=${JSON.stringify(text)}`),
  ]);
}

function clockLibrary(folder: string): Promise<string | undefined> {
  return compiled(join(folder, 'wrong-clock.so'), CLOCK, ['-shared', '-fPIC', '-ldl']);
}

async function compiled(file: string, source: string, options: readonly string[]): Promise<string | undefined> {
  await writeFile(`${file}.c`, source);
  const { failed } = await execa('cc', ['-o', file, `${file}.c`, ...options], { reject: false });
  return failed ? undefined : file;
}
