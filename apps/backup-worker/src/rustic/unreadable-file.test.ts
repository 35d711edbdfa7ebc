import { describe, expect, it } from '@jest/globals';
import { unreadableFileOf, type UnreadableFile } from './unreadable-file.js';

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
    { path: '/project/a\u200b', cause: 'attributes', reason: 'Permission denied' },
  ],
  [
    'a fault in the middle of a file, of which only the folder is told',
    `ignoring error: Error: Error while backing up \`/project\`\nFailed to read from reader in iterator (kind: related to input/output operations): caused by: ${broken}`,
    { path: '/project/', cause: 'input-output', reason: broken },
  ],
];

describe('a warning of a backup', () => {
  it.each(cases)('names %s', (_, warning, expected) => {
    expect(unreadableFileOf(warning, ROOT)).toEqual(expected);
  });

  it.each([
    `ignoring error: Error: Failed to get next entry from walk iterator. (kind: related to internal operations): caused by: ${broken}`,
    'ignoring error reading parent snapshot: TreeStackEmptyError',
    'Error in cache backend writing Index,ab: No space left on device',
    'something new',
  ])('that names no file is told apart: %s', (warning) => {
    expect(unreadableFileOf(warning, ROOT)).toBeUndefined();
  });
});
