import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programWithWrongClock, wrongClock } from './wrong-clock.js';

const hasCompiler = !(await execa('cc', ['--version'], { reject: false })).failed;
const DAY = 86_400;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-wrong-clock-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** By how much the clock of a process is ahead, in whole minutes. */
async function minutesAhead(program: string, env: Record<string, string> = {}): Promise<number> {
  const { stdout } = await execa(program, ['-p', 'Date.now()'], { env });
  return Math.round((Number(stdout) - Date.now()) / 60_000) || 0;
}

(hasCompiler ? describe : describe.skip)('a wrong clock', () => {
  it.each([DAY, -DAY, 600])('is that of one process: %i seconds ahead', async (aheadSeconds) => {
    const env = await wrongClock(folder, { aheadSeconds });
    expect(await minutesAhead(process.execPath, env)).toBe(aheadSeconds / 60);
    expect(await minutesAhead(process.execPath)).toBe(0);
  });

  it('can be in the program itself, whatever is in its environment', async () => {
    const program = await programWithWrongClock(folder, process.execPath, { aheadSeconds: -DAY });
    expect(await minutesAhead(program!, { HOME: folder })).toBe(-DAY / 60);
  });
});
