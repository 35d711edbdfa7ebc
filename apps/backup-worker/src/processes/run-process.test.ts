import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProcess, type Patience } from './run-process.js';
import { identify } from './system-process.js';

let folder: string;
let pid: number;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'buckets-run-process-'))));
afterEach(() => rm(folder, { recursive: true }));

const PATIENT: Patience = { stallMs: 60_000, deadlineMs: 60_000 };

function shell(script: string, patience: Patience = PATIENT, onOutput: (text: string) => void = () => {}) {
  return runProcess(
    {
      file: 'sh',
      args: ['-c', script],
      env: { PATH: '/usr/bin:/bin' },
      folder,
      onOutput: (chunk) => onOutput(Buffer.from(chunk).toString()),
      onErrorOutput: () => {},
      onStart: async (started) => void (pid = started),
    },
    patience,
    { graceMs: 200, killTakesMs: 10_000 },
  );
}

describe('a process', () => {
  it('is told apart by how it ends', async () => {
    expect(await shell('exit 0')).toMatchObject({ exitCode: 0, stopped: undefined });
    expect(await shell('exit 3')).toMatchObject({ exitCode: 3, stopped: undefined });
    expect(await shell('kill -KILL $$')).toMatchObject({ signal: 'SIGKILL', stopped: undefined });
  });

  it('that cannot be started is no exception', async () => {
    const run = {
      file: '/nothing/here',
      args: [],
      env: {},
      folder,
      onOutput() {},
      onErrorOutput() {},
      onStart: async () => {},
    };
    expect(await runProcess(run, PATIENT)).toEqual({ startError: 'ENOENT' });
  });

  it('does not start when it is cancelled already', async () => {
    const started = join(folder, 'started');
    expect(await shell(`touch ${started}`, { ...PATIENT, signal: AbortSignal.abort() })).toEqual({
      stopped: 'cancelled',
    });
    await expect(rm(started)).rejects.toThrow('ENOENT');
  });

  it('is ended with all its children when it is cancelled', async () => {
    const abort = new AbortController();
    let child = 0;
    const ended = await shell('sleep 1000 & echo $!; wait', { ...PATIENT, signal: abort.signal }, (text) => {
      child = Number(text);
      abort.abort();
    });
    expect(ended).toMatchObject({ stopped: 'cancelled' });
    expect(child).toBeGreaterThan(1);
    expect(identify(child)).toBeUndefined();
    expect(identify(pid)).toBeUndefined();
  });

  it('is killed when it does not listen', async () => {
    const abort = new AbortController();
    const ended = await shell(
      "trap '' TERM; echo; while :; do sleep 0.1; done",
      { ...PATIENT, signal: abort.signal },
      () => abort.abort(),
    );
    expect(ended).toMatchObject({ stopped: 'cancelled', signal: 'SIGKILL' });
  });

  it('has stalled when it neither speaks nor works', async () => {
    expect(await shell('sleep 1000', { ...PATIENT, stallMs: 300 })).toMatchObject({ stopped: 'stalled' });
  });

  it('has not stalled while it works in silence', async () => {
    const busy = 'const end = Date.now() + 2500; while (Date.now() < end); process.exit(7)';
    const ended = await shell(`exec '${process.execPath}' -e '${busy}'`, { ...PATIENT, stallMs: 1_000 });
    expect(ended).toMatchObject({ exitCode: 7, stopped: undefined });
  });

  it('is ended at its deadline, however busy', async () => {
    expect(await shell('while :; do echo; done', { ...PATIENT, deadlineMs: 300 })).toMatchObject({
      stopped: 'timed-out',
    });
  });

  it('is ended when it cannot be noted', async () => {
    const run = {
      file: 'sleep',
      args: ['1000'],
      env: { PATH: '/usr/bin:/bin' },
      folder,
      onOutput() {},
      onErrorOutput() {},
      onStart: async (started: number) => {
        pid = started;
        throw new Error('disk full');
      },
    };
    await expect(runProcess(run, PATIENT)).rejects.toThrow('disk full');
    expect(identify(pid)).toBeUndefined();
  });
});
