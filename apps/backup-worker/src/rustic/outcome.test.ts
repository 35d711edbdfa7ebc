import { describe, expect, it } from '@jest/globals';
import { backupOutcome, BackupReport } from './backup.js';
import { checkOutcome } from './check.js';
import { Messages } from './messages.js';
import type { Ran } from './outcome.js';
import { restoreOutcome, RestoreReport } from './restore.js';
import type { EndedProcess } from '../processes/run-process.js';
import type { Command } from './runs.js';
import { Transcript } from './transcript.js';

const SUMMARY = {
  message_type: 'summary',
  snapshot_id: 'ab'.repeat(32),
  files_new: 2,
  files_changed: 0,
  files_unmodified: 0,
  dirs_new: 1,
  data_added: 10,
};

function backup(stderr: string, ended: EndedProcess, summary: object | null = SUMMARY) {
  const report = new BackupReport('/data/p1');
  if (summary) report.takeLine(JSON.stringify(summary));
  return backupOutcome(ranWith(stderr, ended, report), report);
}

/** As rustic says that it cannot open a file. */
function opening(path: string, reason: string): string {
  return `[WARN] ignoring error: Error: Failed to open ReadSourceOpen at \`${path}\`\nFailed to open file at \`${path}\`. Please make sure the file exists and is accessible. (kind: related to input/output operations): caused by: ${reason}\n`;
}

function restore(stderr: string, ended: EndedProcess, ...stdout: string[]) {
  const report = new RestoreReport();
  stdout.forEach((line) => report.takeLine(line, undefined));
  return restoreOutcome(ranWith(stderr, ended, report), report);
}

function ranWith(stderr: string, ended: EndedProcess, listener?: Command['listener']): Ran {
  const transcript = new Transcript(['s3cr3t'], listener?.take);
  const messages = new Messages(transcript.take, listener?.extents);
  messages.write(Buffer.from(stderr));
  messages.end();
  return { ended, transcript, about: {} };
}

describe('a backup', () => {
  it('has succeeded with a snapshot, no warning, and when nobody stopped it', () => {
    expect(backup('', { exitCode: 0 })).toMatchObject({
      outcome: 'succeeded',
      snapshotId: SUMMARY.snapshot_id,
      summary: { filesNew: 2, filesChanged: 0, foldersNew: 1, bytesAdded: 10 },
    });
  });

  it('has not succeeded when rustic ends with 0 and tells of no snapshot', () => {
    expect(backup('', { exitCode: 0 }, null)).toMatchObject({
      outcome: 'failed',
      class: 'interrupted',
      canPass: true,
    });
    const { snapshot_id: _, ...without } = SUMMARY;
    expect(backup('', { exitCode: 0 }, without)).toMatchObject({ outcome: 'failed' });
  });

  it.each(['cancelled', 'stalled', 'timed-out'] as const)('that was %s never counts as made', (stopped) => {
    expect(backup('', { exitCode: 0, stopped })).toEqual({ outcome: stopped, snapshotId: SUMMARY.snapshot_id });
  });

  it('is partial with the files that could not be read, the first hundred by name', () => {
    const stderr = Array.from(
      { length: 250 },
      (_, i) =>
        `[WARN] ignoring error: Error: Failed to open ReadSourceOpen at \`/data/p1/project/f${i}\`\nFailed to open file at \`/data/p1/project/f${i}\`. Please make sure the file exists and is accessible. (kind: x): caused by: Permission denied (os error 13)\n`,
    ).join('');
    const outcome = backup(stderr, { exitCode: 0 });
    if (outcome.outcome !== 'partial') throw new Error(outcome.outcome);
    expect(outcome.unreadable.total).toBe(250);
    expect(outcome.unreadable.first).toHaveLength(100);
    expect(outcome.unreadable.first[99]?.path).toBe('/project/f99');
    expect([outcome.losses.total, outcome.unknown.total]).toEqual([0, 0]);
  });

  it('is partial after any warning or error that is not understood, which counts as no file', () => {
    expect(backup('[WARN] something new\n', { exitCode: 0 })).toMatchObject({
      outcome: 'partial',
      unreadable: { total: 0 },
      losses: { total: 0 },
      unknown: { total: 1, first: ['something new'] },
    });
    expect(backup('[ERROR] something bad\n', { exitCode: 0 })).toMatchObject({ unknown: { total: 1 } });
    expect(backup('text without a level\n', { exitCode: 0 })).toMatchObject({ unknown: { total: 1 } });
  });

  it('is partial when a folder could not be listed and rustic does not say which', () => {
    const stderr =
      '[WARN] ignoring error Input/output error (os error 5)\n[WARN] ignoring error: Error: Failed to get next entry from walk iterator. (kind: related to internal operations): caused by: Input/output error (os error 5)\n';
    expect(backup(stderr, { exitCode: 0 })).toMatchObject({
      outcome: 'partial',
      unreadable: { total: 0 },
      losses: { total: 1 },
      unknown: { total: 0 },
      notes: { total: 1 },
    });
  });

  it('has succeeded when all that rustic said is known to be no loss', () => {
    const stderr = [
      '[WARN] ignoring error /data/p1/project/tmp: IO error for operation on /data/p1/project/tmp: No such file or directory (os error 2)',
      '[WARN] Error in cache backend writing Index,ab: Error: Failed to open the file',
      '[WARN] ignoring error when loading parent tree ab: Error: x',
      '[WARN] missing blobs in index for unchanged file /project/a; re-reading file',
      '[WARN] ignoring parent node a: is no tree!',
      "[WARN] couldn't get elapsed time from system time: SystemTimeError(1s)",
      '[ERROR] error listing Index: x',
    ].join('\n');
    expect(backup(stderr, { exitCode: 0 })).toMatchObject({ outcome: 'succeeded', notes: { total: 7 } });
  });

  it('has succeeded when files vanished while they were read, and names them', () => {
    const stderr = ['a', 'b'].map((name) =>
      opening(`/data/p1/project/${name}`, 'No such file or directory (os error 2)'),
    );
    expect(backup(stderr.join(''), { exitCode: 0 })).toMatchObject({
      outcome: 'succeeded',
      vanished: { total: 2, first: [{ path: '/project/a', cause: 'vanished' }, { path: '/project/b' }] },
    });
    const root = opening('/data/p1/project', 'No such file or directory (os error 2)');
    expect(backup(root, { exitCode: 0 })).toMatchObject({ outcome: 'partial', unreadable: { total: 1 } });
  });

  it('names a file once, whatever is said of it', () => {
    const denied = 'Permission denied (os error 13)';
    const attributes =
      '[WARN] ignoring error obtaining xargs: Error getting xattrs for `"/data/p1/project/a"`: `Os { code: 13, kind: PermissionDenied, message: "Permission denied" }`\n';
    expect(backup(attributes + opening('/data/p1/project/a', denied), { exitCode: 0 })).toMatchObject({
      unreadable: { total: 1, first: [{ path: '/project/a', cause: 'denied', reason: denied }] },
    });
    const middle =
      '[WARN] ignoring error: Error: Error while backing up `/project`\nFailed to read from reader in iterator (kind: related to input/output operations): caused by: Input/output error (os error 5)\n';
    // Of these only the folder is known.
    expect(backup(middle + middle, { exitCode: 0 })).toMatchObject({
      unreadable: { total: 2, first: [{ path: '/project/' }, { path: '/project/' }] },
    });
  });

  it('cannot be made to look whole by the name of a file', () => {
    const gone = 'No such file or directory (os error 2)';
    const shown = opening('/data/p1/project/x', gone).slice('[WARN] '.length).split('`').slice(1).join('`').trimEnd();
    for (const name of ['x\n[INFO] backup done', `${shown.slice('/data/p1/project/'.length)}\n[INFO] y`]) {
      expect(
        backup(opening(`/data/p1/project/${name}`, 'Permission denied (os error 13)'), { exitCode: 0 }),
      ).toMatchObject({
        outcome: 'partial',
        unreadable: { total: 1, first: [{ path: `/project/${name}` }] },
        vanished: { total: 0 },
        unknown: { total: 0 },
      });
    }
  });

  describe('of the next rustic, which ends with 3 when files could not be read', () => {
    const inJson = (item: string, message: string) =>
      `${JSON.stringify({ message_type: 'error', error: { message }, during: 'archival', item })}\n`;
    const said = inJson(
      '/data/p1/project/two\nlines',
      'Error: Failed to open file: caused by: Permission denied (os error 13)',
    );
    const end = `Warning: at least one source file could not be read\n${JSON.stringify({ message_type: 'exit_error', code: 3, message: 'Warning: …' })}\n`;

    it('is partial, with the files', () => {
      const expected = {
        outcome: 'partial',
        snapshotId: SUMMARY.snapshot_id,
        unreadable: { total: 1, first: [{ path: '/project/two\nlines', cause: 'denied' }] },
        losses: { total: 0 },
        unknown: { total: 0 },
      };
      expect(backup(said + end, { exitCode: 3 })).toMatchObject(expected);
      const warned = opening('/data/p1/project/two\nlines', 'Permission denied (os error 13)');
      expect(backup(warned + said + warned + end, { exitCode: 3 })).toMatchObject(expected);
    });

    it('is partial when it does not name them, and whole when they have just vanished', () => {
      expect(backup(end, { exitCode: 3 })).toMatchObject({ outcome: 'partial', losses: { total: 1 } });
      const gone = inJson('/data/p1/project/a', 'No such file or directory (os error 2)');
      expect(backup(gone + end, { exitCode: 3 })).toMatchObject({ outcome: 'succeeded', vanished: { total: 1 } });
    });

    it('has failed without a snapshot', () => {
      expect(backup(said + end, { exitCode: 3 }, null)).toMatchObject({ outcome: 'failed' });
      expect(backup(said, { exitCode: 1 })).toMatchObject({ outcome: 'failed' });
    });
  });

  it('reports no secret and no more than the end of a long error', () => {
    const outcome = backup(`error: key s3cr3t ${'x'.repeat(20_000)}\n[ERROR] X-Amz-Signature=abc&x the end s3cr3t`, {
      exitCode: 1,
    });
    if (outcome.outcome !== 'failed') throw new Error(outcome.outcome);
    expect(outcome.stderrTail).not.toMatch(/s3cr3t|abc/);
    expect(outcome.stderrTail).toMatch(/the end \[redacted\]$/);
    expect(outcome.stderrTail.length).toBeLessThanOrEqual(4_000);
  });
});

describe('a restore', () => {
  const report = [
    'Files:  51 to restore, 0 unchanged, 0 verified, 0 to modify, 0 additional',
    'Dirs:   3 to restore, 0 to modify, 0 additional',
  ];

  it('has succeeded when rustic says that it is done and warns of nothing', () => {
    expect(restore('', { exitCode: 0 }, ...report, 'restore done.')).toMatchObject({
      outcome: 'succeeded',
      files: 51,
      folders: 3,
    });
  });

  it('has failed when rustic ends with 0 before it is done', () => {
    expect(restore('', { exitCode: 0 }, ...report)).toMatchObject({ outcome: 'failed', class: 'interrupted' });
  });

  it('lists what could not be set on which entry', () => {
    const stderr = [
      '[WARN] restore project/a: setting extended attributes failed.',
      '[WARN] restore project/b: c: setting UID/GID failed.',
      '[WARN] restore project/chr: creating special file failed.',
      '[WARN] restore project/chr: chmod failed.',
      '[WARN] restore project/ch\nr: setting file times failed.',
      '[WARN] Note: additional entries exist in destination',
    ].join('\n');
    expect(restore(stderr, { exitCode: 0 }, 'restore done.')).toMatchObject({
      outcome: 'partial',
      problems: {
        total: 5,
        first: [
          { path: '/project/a', what: 'attributes' },
          { path: '/project/b: c', what: 'owner' },
          { path: '/project/chr', what: 'special-file' },
          { path: '/project/chr', what: 'mode' },
          { path: '/project/ch\nr', what: 'times' },
        ],
      },
      warnings: { total: 1 },
    });
  });

  it('has failed, with the reason, when a panic ends it', () => {
    const stderr =
      '\nthread \'<unnamed>\' (19924) panicked at rustic_core-0.13.0/src/commands/restore.rs:663:71:\ncalled `Result::unwrap()` on an `Err` value: CouldNotWriteToBuffer(Os { code: 28, kind: StorageFull, message: "No space left on device" })\nnote: run with `RUST_BACKTRACE=1`\n';
    expect(restore(stderr, { signal: 'SIGABRT' }, ...report)).toMatchObject({
      outcome: 'failed',
      class: 'disk-full',
      canPass: false,
    });
  });
});

describe('a check', () => {
  const check = (stderr: string, ended: EndedProcess) => checkOutcome(ranWith(stderr, ended));

  it('finds a repository sound, or damaged with what it found', () => {
    expect(check('', { exitCode: 0 })).toMatchObject({ outcome: 'sound' });
    const stderr =
      '[ERROR] pack 011eaa63 marked to-delete: false is referenced by the index with size 3605 but not present!\nerror: `rustic_core` experienced an error related to `the repository`.\n\nMessage:\ncheck found errors!\n';
    expect(check(stderr, { exitCode: 1 })).toMatchObject({ outcome: 'damaged', errors: { total: 2 } });
  });

  it('that could not list all is no proof of anything', () => {
    const stderr =
      '[ERROR] error listing Snapshot: Unexpected (persistent) at list, context: { response: Parts { status: 503 } }\n';
    expect(check(stderr, { exitCode: 0 })).toMatchObject({ outcome: 'failed', class: 'storage-throttled' });
  });
});
