import { it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Mounts an empty file system of its own on a folder; returns how to take it away, wherever it was moved meanwhile. */
export function mountOn(folder: string): () => void {
  const name = `buckets-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  execFileSync('mount', ['-t', 'tmpfs', name, folder], { stdio: 'ignore' });
  return () => {
    const where = execFileSync('findmnt', ['-n', '-o', 'TARGET', '--source', name], { encoding: 'utf8' }).trimEnd();
    // The worker may be writing it back right now, and holds it open for that.
    execFileSync('umount', ['--lazy', where]);
  };
}

/** To mount takes root, and a container may still refuse it. */
export const itWhereMountable = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'buckets-mount-'));
  try {
    mountOn(folder)();
    return it;
  } catch {
    return it.skip;
  } finally {
    rmdirSync(folder);
  }
})();
