import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hooks } from '../hooks/hook.js';
import { asFailure } from '../operations/failures.js';
import { AttemptFailed, type Attempt, type Ending } from '../operations/operation.js';
import { RunFolders } from '../processes/run-folders.js';
import { consistencyOf, readSource } from './source.js';

describe('the consistency of a backup', () => {
  it.each([
    ['a stopped project is backed up as it stands', false, false, undefined, 'stopped'],
    ['a stopped project needs no snapshot', false, true, undefined, 'stopped'],
    ['a running project is frozen where the host can', true, true, undefined, 'snapshot'],
    ['a running project is read live where the host cannot', true, false, undefined, 'live'],
    ['a caller may insist on a live backup', true, true, 'live', 'live'],
    ['a caller may insist on a snapshot', false, true, 'snapshot', 'snapshot'],
    ['a caller may insist on a stopped project', false, true, 'stopped', 'stopped'],
  ] as const)('%s', (_, running, canSnapshot, wanted, expected) => {
    expect(consistencyOf(running, canSnapshot, wanted)).toBe(expected);
  });

  it.each([
    ['a snapshot where the host has no command for it', true, false, 'snapshot', 'snapshot-not-configured'],
    ['a stopped project while it runs', true, true, 'stopped', 'project-is-running'],
  ] as const)('refuses to pretend: %s', (_, running, canSnapshot, wanted, code) => {
    expect(() => consistencyOf(running, canSnapshot, wanted)).toThrow(
      expect.objectContaining({ code }) as unknown as Error,
    );
  });
});

describe('a command after a backup that fails', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'buckets-source-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const MADE: Ending = { outcome: 'succeeded', result: { backupId: 'a'.repeat(64) } };
  const attempt = { signal: new AbortController().signal, limits: { stallMs: 10_000 } } as Attempt;
  const readWith = (snapshotAfter: string[], read: () => Promise<Ending>) =>
    readSource(
      { snapshotBefore: ['true'], snapshotAfter, hookMs: 10_000 },
      new Hooks(new RunFolders(join(folder, 'hooks'))),
      { projectId: 'atlas', folder, mode: 'snapshot', attempt },
      read,
    ).catch(asFailure);

  beforeEach(() => Promise.all(['project', 'persist'].map((root) => mkdir(join(folder, root)))));

  it.each([
    ['it ends with an error', ['sh', '-c', 'echo still frozen; exit 3'], 3, 'still frozen\nIt ended with exit code 3.'],
    ['there is no such program', ['/no/such/program'], -1, expect.stringContaining('It could not be run')],
  ])('leaves the backup standing, and is told beside it: %s', async (_, command, exitCode, output) => {
    expect(await readWith(command, () => Promise.resolve(MADE))).toEqual({
      ...MADE,
      result: { ...MADE.result, afterCommand: { exitCode, output } },
      left: [expect.stringContaining('may still be frozen')],
    });
  });

  it('is told beside why there is none', async () => {
    const failed = new AttemptFailed('source-missing', 'It is gone.', { retry: true });
    expect(await readWith(['false'], () => Promise.reject(failed))).toMatchObject({
      code: 'source-missing',
      options: {
        retry: true,
        ending: { result: { afterCommand: { exitCode: 1 } }, left: [expect.stringContaining('may still be frozen')] },
      },
    });
  });

  it('that does not fail says nothing', async () => {
    expect(await readWith(['true'], () => Promise.resolve(MADE))).toEqual(MADE);
  });
});
