import { describe, expect, it } from '@jest/globals';
import { meaningOf, SAYINGS } from './backup-sayings.js';
import type { UnreadableFile } from './unreadable-file.js';

const ROOT = '/data/p1';
const denied = 'Permission denied (os error 13)';
const gone = 'No such file or directory (os error 2)';
const broken = 'Input/output error (os error 5)';

const opening = (path: string, reason: string) =>
  `ignoring error: Error: Failed to open ReadSourceOpen at \`${path}\`\nFailed to open file at \`${path}\`. Please make sure the file exists and is accessible. (kind: related to input/output operations): caused by: ${reason}`;
const walking = (path: string, reason: string) =>
  `ignoring error: Error: Failed to get next entry from walk iterator. (kind: related to internal operations): caused by: ${path}: IO error for operation on ${path}: ${reason}`;
const mapping = (path: string, debugged: string, reason: string) =>
  `ignoring error: Error: Failed to map Directory entry to ReadSourceEntry. (kind: related to internal operations): caused by: Error acquiring metadata for \`a\`: \`WithPath { path: "${debugged}", err: WithDepth { depth: 2, err: Io(Custom { kind: NotFound, error: Error { depth: 2, inner: Io { path: Some("${debugged}"), err: Os { code: 2, kind: NotFound, message: "No such file or directory" } } } }) } }\` : (source: ${path}: IO error for operation on ${path}: ${reason})`;

const cases: [name: string, warning: string, expected: UnreadableFile][] = [
  [
    'a file that may not be opened',
    opening(`${ROOT}/project/f7`, denied),
    { path: '/project/f7', cause: 'denied', reason: denied },
  ],
  [
    'a file that vanished before it was opened',
    opening(`${ROOT}/project/f7`, gone),
    { path: '/project/f7', cause: 'vanished', reason: gone },
  ],
  [
    'a name with a line break, quotes and brackets',
    opening(`${ROOT}/project/we\nird: (\`na"me\`)`, denied),
    { path: '/project/we\nird: (`na"me`)', cause: 'denied', reason: denied },
  ],
  [
    'a name that imitates the message',
    opening(`${ROOT}/project/x\`\nFailed to open file at \`y\`. caused by: z`, denied),
    { path: '/project/x`\nFailed to open file at `y`. caused by: z', cause: 'denied', reason: denied },
  ],
  [
    'a folder that may not be listed',
    walking(`${ROOT}/persist/secret`, denied),
    { path: '/persist/secret', cause: 'denied', reason: denied },
  ],
  [
    'a folder whose name imitates the message',
    walking(`${ROOT}/a: IO error for operation on b: c`, denied),
    { path: '/a: IO error for operation on b: c', cause: 'denied', reason: denied },
  ],
  [
    'a file that vanished before it was looked at',
    mapping(`${ROOT}/project/na"me\`x`, `${ROOT}/project/na\\"me\`x`, gone),
    { path: '/project/na"me`x', cause: 'vanished', reason: gone },
  ],
  [
    'a name that is no UTF-8',
    mapping(`${ROOT}/project/bad\ufffd`, `${ROOT}/project/bad\\xFF`, gone),
    { path: '/project/bad\ufffd', cause: 'vanished', reason: gone },
  ],
  [
    'a link that cannot be read',
    `ignoring error: Error: Failed to map Directory entry to ReadSourceEntry. (kind: related to internal operations): caused by: Error reading link target for \`"${ROOT}/project/li\\nnk"\`: \`Os { code: 5, kind: Uncategorized, message: "Input/output error" }\` : (source: ${broken})`,
    { path: '/project/li\nnk', cause: 'input-output', reason: broken },
  ],
  [
    'attributes that cannot be read',
    `ignoring error obtaining xargs: Error getting xattrs for \`"${ROOT}/project/a\\u{200b}"\`: \`Os { code: 13, kind: PermissionDenied, message: "Permission denied" }\``,
    { path: '/project/a\u200b', cause: 'attributes', reason: 'Permission denied (os error 13)' },
  ],
  [
    'a fault in the middle of a file, of which only the folder is told',
    `ignoring error: Error: Error while backing up \`/project\`\nFailed to read from reader in iterator (kind: related to input/output operations): caused by: ${broken}`,
    { path: '/project/', cause: 'input-output', reason: broken },
  ],
];

const attributes = (error: string) =>
  `ignoring error obtaining xargs: Error getting xattrs for \`"${ROOT}/project/a"\`: \`${error}\``;

/** At least one for each saying. */
const others: [warning: string, is: 'vanished' | 'loss' | 'harmless' | undefined][] = [
  [opening(`${ROOT}/project/a`, gone), 'vanished'],
  [walking(`${ROOT}/project/a`, gone), 'vanished'],
  [mapping(`${ROOT}/project/a`, `${ROOT}/project/a`, gone), 'vanished'],
  [attributes('Os { code: 2, kind: NotFound, message: "No such file or directory" }'), 'vanished'],
  [attributes('Os { code: 95, kind: Unsupported, message: "Operation not supported" }'), 'harmless'],
  [`ignoring error: Error: Failed to get next entry from walk iterator. (kind: x): caused by: ${broken}`, 'loss'],
  ['ignoring error: Error: Failed to map Directory entry to ReadSourceEntry. (kind: x): caused by: time error', 'loss'],
  ['ignoring error: Error: Error while backing up `/project`\nSomething else (kind: x)', 'loss'],
  ['ignoring error: Error: Failed to unpack tree type optional at `/project/a`.', 'loss'],
  ['ignoring error obtaining xargs: something else', 'loss'],
  [opening(`/elsewhere/a`, denied), 'loss'],
  ['ignoring error reading parent snapshot: TreeStackEmptyError', 'loss'],
  ['ignoring error when loading parent tree ab: Error: x', 'harmless'],
  ['ignoring parent node a: is no tree!', 'harmless'],
  ['ignoring parent node a: is no tree! And more', undefined],
  ['missing blobs in index for unchanged file /project/a\nb; re-reading file', 'harmless'],
  ['Error reading snapshot: x', 'harmless'],
  ['error determining backup size: Error: x', 'harmless'],
  [`ignoring error ${ROOT}/project/a: IO error for operation on ${ROOT}/project/a: ${gone}`, 'harmless'],
  [`ignoring error ${broken}`, 'harmless'],
  ['ignoring error something else', undefined],
  ["couldn't get elapsed time from system time: SystemTimeError(1.2s)", 'harmless'],
  ['ignoring Datetime error: x', 'harmless'],
  ['error getting user from uid 1000: EIO: I/O error', 'harmless'],
  ['error getting group from gid 1000: EIO: I/O error', 'harmless'],
  ['Error in cache backend writing Index,ab: No space left on device', 'harmless'],
  ['Error while listing files: x', 'harmless'],
  ['Warning: at least one source file could not be read', 'harmless'],
  ['error listing Index: x', 'harmless'],
  ['Failed to convert file length 5000000000 of ab to u32 while listing Index: x', 'harmless'],
  ['something new', undefined],
];

describe('a message of a backup', () => {
  it.each(cases)('names %s', (_, warning, file) => {
    const { path, cause } = file;
    const is = cause === 'vanished' && path.lastIndexOf('/') > 0 ? 'vanished' : 'unreadable';
    expect(meaningOf(warning, ROOT)).toEqual({ is, file });
  });

  it.each(others)('means what its source says: %s', (warning, is) => {
    expect(meaningOf(warning, ROOT)?.is).toBe(is);
  });

  it('is tried here for every saying that is known', () => {
    const tried = [...cases, ...others].map(([first, second]) => (second?.includes(' ') ? second : first));
    expect(SAYINGS.filter(({ begins }) => !tried.some((text) => text.startsWith(begins)))).toEqual([]);
  });

  it('is a loss when a root has vanished', () => {
    for (const path of [ROOT, `${ROOT}/project`])
      expect(meaningOf(walking(path, gone), ROOT)).toMatchObject({ is: 'unreadable', file: { cause: 'vanished' } });
  });

  it('is never taken for no loss when another message may be hidden in its name', () => {
    const name = 'x\n[WARN] y';
    expect(meaningOf(`missing blobs in index for unchanged file /project/${name}; re-reading file`, ROOT)).toBe(
      undefined,
    );
    expect(meaningOf(opening(`${ROOT}/project/${name}`, gone), ROOT)).toMatchObject({ is: 'unreadable' });
  });

  it('shows the names of files as the files API does', () => {
    expect(meaningOf(opening(`${ROOT}/project/a\\b`, denied), ROOT)).toMatchObject({
      file: { path: '/project/a\\x5cb' },
    });
    expect(
      meaningOf(
        `ignoring error obtaining xargs: Error getting xattrs for \`"${ROOT}/project/\\xFF\\\\\\n"\`: \`Os { code: 13, kind: PermissionDenied, message: "Permission denied" }\``,
        ROOT,
      ),
    ).toMatchObject({ file: { path: '/project/\\xff\\x5c\n' } });
  });
});
