import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 1_000;

/**
 * Tells of what the machine's disks write, until it is disposed of. Flushing and removing trees is done by the kernel: no
 * process shows that it goes on. That others write too is no harm: both have limits of their own.
 */
export function signsOfDisk(onSign: () => void): Disposable {
  let last: string | undefined;
  const timer = setInterval(() => {
    const written = pagesWritten();
    if (written !== last) onSign();
    last = written;
  }, LOOK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** See proc_vmstat(5). */
function pagesWritten(): string | undefined {
  return /^nr_written (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1];
}
