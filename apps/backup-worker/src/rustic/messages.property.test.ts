import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BackupReport } from './backup.js';
import { Messages } from './messages.js';
import { RestoreReport } from './restore.js';

const ROOT = '/data/p1';
const DENIED = 'Permission denied (os error 13)';
const GONE = 'No such file or directory (os error 2)';

const opening = (path: string, reason = DENIED) =>
  `[WARN] ignoring error: Error: Failed to open ReadSourceOpen at \`${path}\`\nFailed to open file at \`${path}\`. Please make sure the file exists and is accessible. (kind: related to input/output operations): caused by: ${reason}\n`;
const walking = (path: string, reason = DENIED) =>
  `[WARN] ignoring error: Error: Failed to get next entry from walk iterator. (kind: related to internal operations): caused by: ${path}: IO error for operation on ${path}: ${reason}\n`;

const denied = (path: string) => opening(path);
const gone = (path: string) => opening(path, GONE);
/** Of the scan of sizes, which is no loss. */
const scanned = (path: string) => `[WARN] ignoring error ${path}: IO error for operation on ${path}: ${GONE}\n`;

/** Names that look like messages, and like the ends and the middles of messages. */
const name = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'a',
        '\n',
        ' ',
        '`',
        '\n[ERROR] faked',
        '\n[INFO] backup done',
        '\n[WARN] ignoring parent node a: is no tree!\n',
        '\nerror: faked',
        '\n{"message_type":"error"}',
        '`\nFailed to open file at `',
        ': IO error for operation on ',
        `(os error 2)\n`,
        opening(`${ROOT}/project/a`, GONE),
        `\n${opening(`${ROOT}/project/b`)}`,
        `\n${walking(`${ROOT}/project/c`, GONE)}`,
      ),
      fc.string({ unit: 'grapheme-ascii', maxLength: 3 }),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((pieces) => pieces.join('').trim())
  .filter((text) => text !== '');
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 6 });

function heard(stderr: string, report: BackupReport | RestoreReport, cuts: readonly number[] = []): void {
  const messages = new Messages((message) => void report.take(message), report.extents);
  const bytes = Buffer.from(stderr);
  const ends = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  [...ends, bytes.length].forEach((end, index) => messages.write(bytes.subarray(ends[index - 1] ?? 0, end)));
  messages.end();
}

const shown = (path: string) => path.replaceAll('\\', '\\x5c');

describe('the names of files in messages', () => {
  it('give one entry a file, whatever they look like', () => {
    fc.assert(
      fc.property(names, fc.func(fc.boolean()), fc.array(fc.nat(), { maxLength: 5 }), (all, isFolder, cuts) => {
        const report = new BackupReport(ROOT);
        const paths = all.map((each) => `/project/${each}`);
        heard(paths.map((path) => (isFolder(path) ? walking : opening)(ROOT + path)).join(''), report, cuts);
        expect(report.unreadable.first.map(({ path }) => path).sort()).toEqual(paths.map(shown).sort());
        expect(report.unreadable.total).toBe(all.length);
        expect([report.vanished.total, report.losses.total, report.unknown.total, report.notes.total]).toEqual([
          0, 0, 0, 0,
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never make a backup whole that is not', () => {
    fc.assert(
      fc.property(names, fc.array(fc.constantFrom(denied, gone, scanned)), (all, sayings) => {
        const report = new BackupReport(ROOT);
        const said = all.map((each, index) => [`${ROOT}/project/${each}`, sayings[index] ?? denied] as const);
        heard(said.map(([path, say]) => say(path)).join(''), report);
        if (!said.some(([, say]) => say === denied)) return;
        expect(report.unreadable.total + report.losses.total + report.unknown.total).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('may be as long as paths get', () => {
    const report = new BackupReport(ROOT);
    const path = `/project/${`${'x'.repeat(200)}\n[ERROR] faked/`.repeat(18)}end`;
    heard(denied(ROOT + path) + denied(`${ROOT}/project/a`), report);
    expect(report.unreadable.first.map((file) => file.path)).toEqual([path, '/project/a']);
    expect(report.unknown.total).toBe(0);
  });

  it('are whole in what is said of a restore', () => {
    const report = new RestoreReport();
    const paths = ['project/a\n[ERROR] faked', 'project/b', 'project/c\n[WARN] restore d'];
    heard(paths.map((path) => `[WARN] restore ${path}: chmod failed.\n`).join(''), report);
    expect(report.problems.first).toEqual(paths.map((path) => ({ path: `/${path}`, what: 'mode' })));
  });
});
