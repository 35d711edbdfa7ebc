import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RunFolders } from '../processes/run-folders.js';
import { identify } from '../processes/system-process.js';
import { Hooks, type HookRun } from './hook.js';

let folder: string;
let hooks: Hooks;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-hook-'));
  hooks = new Hooks(new RunFolders(join(folder, 'notes')));
});
afterEach(() => rm(folder, { recursive: true }));

const run = (script: string, changes: Partial<HookRun> = {}) =>
  hooks.run({
    command: ['sh', '-c', script],
    env: { MARK: 'told' },
    timeoutMs: 60_000,
    stallMs: 60_000,
    ...changes,
  });

/** Waits for a file, and gives what it holds. */
async function content(name: string): Promise<string> {
  for (;;) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    if (text !== '') return text.trim();
    await delay(20);
  }
}

const isAlive = (pid: string) => identify(Number(pid)) !== undefined;

describe("an operator's command", () => {
  it('tells how it ended, and the end of what it printed', async () => {
    expect(await run('echo $MARK; echo twice >&2')).toMatchObject({ exitCode: 0, wouldNotEnd: false });
    expect((await run('echo $MARK')).output).toBe('told\n');
    expect(await run('exit 7')).toMatchObject({ exitCode: 7, failure: 'It ended with exit code 7' });
    expect(await run('', { command: ['/nothing/here'] })).toMatchObject({ failure: 'It could not be run: ENOENT' });
    expect((await run('head -c 9999 /dev/zero | tr "\\0" x; echo end')).output).toMatch(/^x{4092}end\n$/);
  });

  it('is ended with all that it has started when it is cancelled', async () => {
    const cancel = new AbortController();
    const script = `sh -c 'echo $$ > ${folder}/child; exec sleep 600' & echo $$ > ${folder}/self; wait`;
    const ended = run(script, { signal: cancel.signal });
    const pids = [await content('child'), await content('self')];
    cancel.abort();
    expect(await ended).toMatchObject({ exitCode: null, stopped: 'cancelled' });
    for (const pid of pids) while (isAlive(pid)) await delay(20);
    expect(await readdir(join(folder, 'notes'))).toEqual([]);
  });

  it('is ended when it freezes, and is not taken for frozen while something of it works', async () => {
    expect(await run('sleep 600', { stallMs: 300 })).toMatchObject({ stopped: 'stalled' });
    const busy = 'i=0; while [ $i -lt 15 ]; do sleep 0.1; i=$((i+1)); done';
    expect(await run(`(${busy}) & wait`, { stallMs: 1_000 })).toMatchObject({ exitCode: 0 });
  });

  it('is ended when its own time is over', async () => {
    expect(await run('sleep 600', { timeoutMs: 300 })).toMatchObject({
      exitCode: null,
      failure: 'It took longer than 0.3 s',
    });
  });

  it('has ended when it has, though what it started lives on and holds its outputs', async () => {
    const end = await run(`sleep 600 & echo $! > ${folder}/left; echo started`);
    expect(end).toMatchObject({ exitCode: 0, output: 'started\n' });
    const pid = await content('left');
    expect(isAlive(pid)).toBe(true);
    process.kill(Number(pid));
  });

  it('is ended by the next worker when its own was killed', async () => {
    const notes = new RunFolders(join(folder, 'notes'));
    void new Hooks(notes).run({ command: ['sleep', '600'], env: {}, timeoutMs: 60_000, stallMs: 60_000 });
    let pid: number | undefined;
    while (pid === undefined) {
      const [name] = await readdir(join(folder, 'notes')).catch(() => []);
      const text = await readFile(join(folder, 'notes', `${name}`, 'process.json'), 'utf8').catch(() => '{}');
      ({ pid } = JSON.parse(text) as { pid?: number });
      await delay(20);
    }
    expect(await hooks.reapOrphans()).toMatchObject({ ended: [pid], stillRunning: [] });
    expect(isAlive(String(pid))).toBe(false);
  });
});
