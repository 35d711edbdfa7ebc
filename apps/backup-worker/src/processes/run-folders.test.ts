import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolders } from './run-folders.js';
import { identify } from './system-process.js';

let workFolder: string;
const children: ChildProcess[] = [];

beforeEach(async () => (workFolder = await mkdtemp(join(tmpdir(), 'buckets-runs-'))));
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(workFolder, { recursive: true });
});

/** A process that a worker started and then could not end, as it was killed. */
async function orphan(): Promise<number> {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child.pid ?? 0;
}

describe('the folder of a run', () => {
  it('is private, as is what it holds, and is gone with the run', async () => {
    await chmod(workFolder, 0o755);
    const folder = await new RunFolders(workFolder).open(() => 'secret');
    for (const path of [workFolder, folder.path]) expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(folder.profile)).mode & 0o777).toBe(0o600);
    expect(await readFile(folder.profile, 'utf8')).toBe('secret');
    await folder.close();
    expect(await readdir(workFolder)).toEqual([]);
  });
});

describe('a worker that starts after one that was killed', () => {
  it('ends the processes of the other and removes its secrets', async () => {
    const folder = await new RunFolders(workFolder).open(() => 'secret');
    const pid = await orphan();
    await folder.recordProcess(pid);
    expect(await new RunFolders(workFolder).reap()).toEqual({ ended: [pid], stillRunning: [], removed: 1 });
    expect(identify(pid)).toBeUndefined();
    expect(await readdir(workFolder)).toEqual([]);
  });

  it('never ends a stranger that was given the same number', async () => {
    const folder = await new RunFolders(workFolder).open(() => 'secret');
    const pid = await orphan();
    await folder.recordProcess(pid);
    const note = join(folder.path, 'process.json');
    const identity = JSON.parse(await readFile(note, 'utf8')) as { startTime: string };
    await writeFile(note, JSON.stringify({ ...identity, startTime: String(Number(identity.startTime) - 1) }));
    expect(await new RunFolders(workFolder).reap()).toEqual({ ended: [], stillRunning: [], removed: 1 });
    expect(identify(pid)).toBeDefined();
  });

  it('leaves alone what it started itself, and what is not its own', async () => {
    const folders = new RunFolders(workFolder);
    const folder = await folders.open(() => 'secret');
    const pid = await orphan();
    await folder.recordProcess(pid);
    await mkdir(join(workFolder, 'something-else'));
    expect(await folders.reap()).toEqual({ ended: [], stillRunning: [], removed: 0 });
    expect(identify(pid)).toBeDefined();
  });

  it('removes folders of runs that had no process yet, or only a torn note of one', async () => {
    await new RunFolders(workFolder).open(() => 'secret');
    const torn = await new RunFolders(workFolder).open(() => 'secret');
    await writeFile(join(torn.path, 'process.json'), '{"pid":');
    expect(await new RunFolders(workFolder).reap()).toMatchObject({ ended: [], removed: 2 });
  });
});
