import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '@buckets/patience';
import { identityOf, isAlive, type ProcessIdentity } from '../../prepare/lock.mjs';
import { keep } from './keep.js';

const env = { PATH: process.env.PATH };
const sh = (script: string) => ({ file: '/bin/sh', args: ['-c', script], env });

describe('a kept process', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'buckets keep '));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const identityIn = async (file: string): Promise<ProcessIdentity> => {
    const pid = await until(() => Number(tryRead(join(folder, file))) || undefined);
    return identityOf(pid)!;
  };

  it('hands over its output line by line and says how it ended', async () => {
    const lines: string[] = [];
    const kept = await keep(sh('echo one; echo two >&2; printf three; exit 7'), (line) => lines.push(line));
    expect(await kept.ended).toEqual({ code: 7, signal: null });
    expect(lines.toSorted()).toEqual(['one', 'three', 'two']);
  });

  it('is the process itself, not a shell around it', async () => {
    const kept = await keep({ file: 'sleep', args: ['100'], env }, () => undefined);
    kept.signal('SIGKILL');
    expect(await kept.ended).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('takes what it has started along when it dies', async () => {
    const kept = await keep(sh(`sleep 100 & echo $! > '${folder}/grandchild'; wait`), () => undefined);
    const grandchild = await identityIn('grandchild');
    kept.signal('SIGKILL');
    await kept.ended;
    await until(() => !isAlive(grandchild));
  });

  it('ends with the process that keeps it, even when both are deaf to signals', async () => {
    writeFileSync(
      join(folder, 'keeper.mjs'),
      `import { keep } from '${join(import.meta.dirname, '../../dist/processes/keep.js')}';
       await keep({ file: '/bin/sh', args: ['-c', ${JSON.stringify(
         `trap '' TERM INT HUP; sleep 100 & echo $! > '${folder}/grandchild'; echo $$ > '${folder}/child'; while :; do wait; done`,
       )}], env: process.env }, () => undefined);
       setInterval(() => undefined, 1000);`,
    );
    const keeper = spawn(process.execPath, [join(folder, 'keeper.mjs')], { stdio: 'inherit' });
    const [child, grandchild] = [await identityIn('child'), await identityIn('grandchild')];
    keeper.kill('SIGKILL');
    await until(() => !isAlive(child) && !isAlive(grandchild));
  });

  it('says when there is no such program', async () => {
    const lines: string[] = [];
    const kept = await keep({ file: join(folder, 'missing'), args: [], env }, (line) => lines.push(line));
    expect(await kept.ended).toEqual({ code: 127, signal: null });
    expect(lines.join()).toContain('not found');
  });
});

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
