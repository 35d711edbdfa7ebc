import { describe, expect, it } from '@jest/globals';
import { classify, FAILURES, RusticFailure, failure, type EndOfProcess, type FailureClass } from './failure.js';

/** As rustic 0.11.4 wrote them, against SeaweedFS, a proxy that answers with faults, and local folders. */
const backend = (message: string, cause: string) =>
  `error: \`rustic_core\` experienced an error related to \`the backend\`.\n\nMessage:\n${message}\n\n\nSome additional details ...\n\nCaused by:\n${cause}\n\n\nBacktrace:\ndisabled backtrace`;
const answer = (status: number, path: string, end = '') =>
  `context: { uri: http://127.0.0.1:8333/backups/projects/p1/${path}, response: Parts { status: ${status}, version: HTTP/1.1, headers: {…} }, service: s3, path: ${path}${end} }`;
const s3Error = (code: string) => ` => S3Error { code: "${code}", message: "injected", resource: "", request_id: "" }`;
const PACK = 'data/43/437d4df595d43f6d460533936f99da42bd9b2fb6b4b510d45effc71194356c13';
const SNAPSHOT = `snapshots/${'0'.repeat(64)}`;
const INDEX = `index/${'ab'.repeat(32)}`;
const exit1: EndOfProcess = { exitCode: 1 };
const aborted: EndOfProcess = { signal: 'SIGABRT' };
const panic = (what: string) =>
  `thread '<unnamed>' (19924) panicked at rustic_core-0.13.0/src/commands/restore.rs:663:71:\ncalled \`Result::unwrap()\` on an \`Err\` value: ${what}`;

const cases: [name: string, end: EndOfProcess, errors: string[], expected: FailureClass][] = [
  [
    'nobody listens at the endpoint',
    exit1,
    [
      backend(
        'Path `config` does not exist.',
        'Unexpected (persistent) at stat, context: { url: http://127.0.0.1:28445/backups/projects/p1/config, called: reqwest::send, service: s3, path: config } => send http request, source: error sending request for url (http://127.0.0.1:28445/backups/projects/p1/config)',
      ),
    ],
    'storage-unreachable',
  ],
  [
    'the connection breaks during an upload',
    exit1,
    [
      backend(
        `Writing file \`${PACK}\` failed in the backend.`,
        `Unexpected (persistent) at write, context: { url: http://127.0.0.1:28446/x, called: reqwest::send, service: s3, path: ${PACK}, written: 3118 } => send http request`,
      ),
    ],
    'storage-unreachable',
  ],
  [
    'SlowDown during an upload',
    exit1,
    [
      backend(
        'Writing file',
        `RateLimited (persistent) at write, ${answer(503, PACK, ', written: 3118')}${s3Error('SlowDown')}`,
      ),
    ],
    'storage-throttled',
  ],
  [
    'SlowDown during a restore, which panics',
    aborted,
    [
      panic(
        `RusticError { kind: Backend, source: Some(RateLimited (persistent) at read${s3Error('SlowDown')}\nContext:\n   response: Parts { status: 503, version: HTTP/1.1 }`,
      ),
    ],
    'storage-throttled',
  ],
  [
    'InternalError during an upload',
    exit1,
    [backend('Writing file', `Unexpected (persistent) at write, ${answer(500, PACK)}${s3Error('InternalError')}`)],
    'storage-failing',
  ],
  [
    'a listing that fails ends with 0',
    { exitCode: 0 },
    [`error listing Index: Unexpected (persistent) at list, ${answer(503, 'index/')}${s3Error('ServiceUnavailable')}`],
    'storage-throttled',
  ],
  [
    'a listing that fails makes blobs look missing',
    exit1,
    [
      `error listing Index: Unexpected (persistent) at list, ${answer(500, 'index/')}`,
      'error: blob not found in index',
    ],
    'storage-failing',
  ],
  [
    'an expired token',
    { exitCode: 0 },
    [`error listing Index: Unexpected (persistent) at list, ${answer(400, 'index/')}${s3Error('ExpiredToken')}`],
    'access-expired',
  ],
  [
    'a clock that is wrong',
    { exitCode: 0 },
    [
      `error listing Index: PermissionDenied (persistent) at list, ${answer(403, 'index/')}${s3Error('RequestTimeTooSkewed')}`,
    ],
    'clock-skewed',
  ],
  [
    'a wrong secret',
    exit1,
    [backend('Path `config` does not exist.', `PermissionDenied (persistent) at stat, ${answer(403, 'config')}`)],
    'access-denied',
  ],
  [
    'a write that is not allowed',
    exit1,
    [
      backend(
        'Writing file',
        `PermissionDenied (persistent) at write, ${answer(403, SNAPSHOT)}${s3Error('AccessDenied')}`,
      ),
    ],
    'access-denied',
  ],
  [
    'a quota that is used up',
    exit1,
    [
      backend(
        'Writing file',
        `PermissionDenied (persistent) at write, ${answer(403, PACK)}${s3Error('QuotaExceeded')}`,
      ),
    ],
    'storage-full',
  ],
  [
    'a bucket that is not there',
    { exitCode: 0 },
    [
      `error listing Snapshot: ConfigInvalid (persistent) at list, ${answer(404, 'snapshots/')}${s3Error('NoSuchBucket')}`,
    ],
    'repository-missing',
  ],
  [
    'a repository that is not there',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `the configuration`.\n\nMessage:\nNo repository config file found for `opendal:s3:backups`. Please check the repository.',
    ],
    'repository-missing',
  ],
  [
    'the key of another repository',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `cryptographic operations`.\n\nMessage:\nerror processing Config:00000000\n\nCaused by:\nData decryption failed, MAC check failed.',
    ],
    'wrong-key',
  ],
  [
    'a key that is no key',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `credentials handling`.\n\nMessage:\nError deserializing key',
    ],
    'wrong-key',
  ],
  [
    'a snapshot that S3 does not have',
    exit1,
    [
      backend(
        `Reading file \`${SNAPSHOT}\` failed in the backend.`,
        `NotFound (persistent) at read, ${answer(404, SNAPSHOT)}${s3Error('NoSuchKey')}`,
      ),
    ],
    'snapshot-missing',
  ],
  [
    'a snapshot that a folder does not have',
    exit1,
    [
      backend(
        `Failed to read the contents of the file.\n\nContext:\n- path: /repo/${SNAPSHOT}`,
        'No such file or directory (os error 2)',
      ),
    ],
    'snapshot-missing',
  ],
  [
    'a path that the snapshot does not have',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `internal operations`.\n\nMessage:\nNode `nothere` not found in tree.',
    ],
    'path-missing',
  ],
  [
    'an index that a prune has replaced',
    exit1,
    [
      backend(
        `Reading file \`${INDEX}\` failed in the backend.`,
        `NotFound (persistent) at read, ${answer(404, INDEX)}${s3Error('NoSuchKey')}`,
      ),
    ],
    'repository-changed',
  ],
  [
    'a pack that is gone, found by a restore',
    aborted,
    [
      panic(
        `RusticError { kind: Backend, context: [("path", "${PACK}")], source: Some(NotFound (persistent) at read${s3Error('NoSuchKey')}`,
      ),
    ],
    'repository-damaged',
  ],
  [
    'a pack that is gone from a folder',
    exit1,
    [
      backend(
        `Failed to read the contents of the file.\n\nContext:\n- path: /repo/${PACK}`,
        'No such file or directory (os error 2)',
      ),
    ],
    'repository-damaged',
  ],
  [
    'an index that was altered',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `cryptographic operations`.\n\nMessage:\nerror processing Index:ece83942\n\nMessage:\nData decryption failed, MAC check failed.',
    ],
    'repository-damaged',
  ],
  [
    'a check that finds errors',
    exit1,
    [
      'pack 011eaa63 marked to-delete: false is referenced by the index with size 3605 but not present!',
      'error: `rustic_core` experienced an error related to `the repository`.\n\nMessage:\ncheck found errors!',
    ],
    'repository-damaged',
  ],
  [
    'a source that is not there',
    exit1,
    [
      'error backing up /data/p1: error sanitizing source=s"PathList(["/data/p1"])"',
      'error: Not all snapshots were generated successfully!',
    ],
    'source-missing',
  ],
  [
    'a full disk',
    aborted,
    [panic('CouldNotWriteToBuffer(Os { code: 28, kind: StorageFull, message: "No space left on device" })')],
    'disk-full',
  ],
  [
    'a destination on a read-only disk',
    exit1,
    [
      'error: `rustic_core` experienced an error related to `input/output operations`.\n\nMessage:\nThe directory `/ro/x` could not be created.\n\nCaused by:\nRead-only file system (os error 30)',
    ],
    'destination-denied',
  ],
  ['a folder that may not be entered', exit1, ['error: Permission denied (os error 13)'], 'destination-denied'],
  ['an allocation that fails', aborted, ['memory allocation of 33554432 bytes failed'], 'out-of-memory'],
  ['the kernel kills it for want of memory', { signal: 'SIGKILL' }, [], 'killed'],
  ['somebody else ends it politely', { exitCode: 0 }, [], 'interrupted'],
  ['somebody else ends it before it handles signals', { signal: 'SIGTERM' }, [], 'interrupted'],
  ['a panic without a known reason', aborted, [panic('None')], 'crashed'],
  ['a crash without a word', { signal: 'SIGSEGV' }, [], 'crashed'],
  ['the program is not there', { startError: 'ENOENT' }, [], 'rustic-missing'],
  ['no process can be made', { startError: 'EAGAIN' }, [], 'out-of-memory'],
  [
    'an option that rustic does not know',
    { exitCode: 2 },
    ["error: unexpected argument '--nonsense' found"],
    'rejected-arguments',
  ],
  ['something new', exit1, ['error: the moon is full'], 'unknown'],
];

describe('the class of a failure', () => {
  it.each(cases)('%s', (_, end, errors, expected) => {
    expect(classify(end, errors, { command: 'restore' })).toBe(expected);
  });

  it('takes a refusal without a reason for the end of credentials, where they end at all', () => {
    const refusal = [
      backend('Path `config` does not exist.', `PermissionDenied (persistent) at stat, ${answer(403, 'config')}`),
    ];
    expect(classify(exit1, refusal, { temporaryAccess: true })).toBe('access-expired');
    const withReason = [`${refusal[0]}${s3Error('AccessDenied')}`];
    expect(classify(exit1, withReason, { temporaryAccess: true })).toBe('access-denied');
  });

  it('takes a refusal without a reason for the clock, where that is off by minutes', () => {
    const refusal = [
      backend('Path `config` does not exist.', `PermissionDenied (persistent) at stat, ${answer(403, 'config')}`),
    ];
    const classOf = (clockSkewMs: number, temporaryAccess = false) =>
      classify(exit1, refusal, { clockSkewMs, temporaryAccess });
    expect(classOf(20 * 60_000)).toBe('clock-skewed');
    expect(classOf(-20 * 60_000, true)).toBe('clock-skewed');
    expect(classOf(60_000)).toBe('access-denied');
    const withReason = [`${refusal[0]}${s3Error('AccessDenied')}`];
    expect(classify(exit1, withReason, { clockSkewMs: 20 * 60_000 })).toBe('access-denied');
    expect(failure('clock-skewed', '', -20 * 60_000).reason).toMatch(/Set the clock\. It is 20 minutes behind\.$/);
  });

  it('is of the source where a backup may not go on, and of the destination where a restore may not', () => {
    const denied = ['error: it went wrong\n\nCaused by:\nPermission denied (os error 13)'];
    const source = [`error backing up /data/p1: ${denied[0]}`, 'error: Not all snapshots were generated successfully!'];
    expect(classify(exit1, source, { command: 'backup' })).toBe('source-denied');
    expect(classify(exit1, denied, { command: 'restore' })).toBe('destination-denied');
    for (const command of ['backup', 'check']) expect(classify(exit1, denied, { command })).toBe('unknown');
  });

  it('says for every class whether it can pass and what to do', () => {
    for (const [name, { advice }] of Object.entries(FAILURES)) {
      expect(advice).toMatch(/^[A-Z].*\.$/);
      expect(failure(name as FailureClass).reason).toBe(advice);
    }
  });

  it('lets what may pass be tried again, and nothing that stays as it is', () => {
    const canPass = (Object.keys(FAILURES) as FailureClass[]).filter((name) => FAILURES[name].canPass);
    expect(canPass.sort()).toEqual([
      'access-expired',
      'crashed',
      'interrupted',
      'killed',
      'out-of-memory',
      'repository-changed',
      'storage-failing',
      'storage-throttled',
      'storage-unreachable',
      'unknown',
    ]);
  });

  it('is the code of what is thrown', () => {
    expect(new RusticFailure(failure('wrong-key')).code).toBe('rustic-wrong-key');
  });
});
