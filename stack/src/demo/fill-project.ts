import { countText } from '@buckets/contracts';
import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { compareTrees, growTree, HARD_CASES, type Difference, type TreeDescription } from '@buckets/trees';
import { bytesOnDisk, described } from './described.js';
import { forPeople } from './given-folder.js';
import { bytesText, durationText } from './quantities.js';
import type { Screen } from './screen.js';

/** The project's data could not be put in place. */
export class FillingFailed extends Error {
  readonly code = 'filling-failed';
}

export interface Filling {
  /** The project's folder on its host, with `project/` and `persist/` in it. */
  projectFolder: string;
  screen: Screen;
  signal: AbortSignal;
}

const SAMPLES = {
  project: { seed: 1, smallFiles: 1_700, bytes: 120_000_000, hardCases: true, sparseBytes: 64 * 2 ** 20 },
  persist: { seed: 2, smallFiles: 150, bytes: 10_000_000, hardCases: false },
};

/** Fills both roots with sample data, as far as this user may. Says what had to be left out. */
export async function fillWithSamples({ projectFolder, screen }: Filling): Promise<void> {
  const leftOut = await screen.while(
    (elapsed) => `growing sample data: ${durationText(elapsed)}`,
    () => growSamples(projectFolder),
  );
  screen.line(
    `Sample data with ${HARD_CASES.length - leftOut.size} kinds of entries that copying programs get wrong: ` +
      'names that are not UTF-8, hard links, holes, extended attributes, times to the nanosecond and more.',
  );
  for (const [hardCase, reason] of leftOut) screen.line(`Left out: ${hardCase} (${reason}).`, 'yellow');
}

/** @returns the cases that are not in it, or not wholly, and why */
async function growSamples(projectFolder: string): Promise<Map<string, string>> {
  const { leftOut } = await growTree(`${projectFolder}/project`, SAMPLES.project);
  await growTree(`${projectFolder}/persist`, SAMPLES.persist);
  return new Map(leftOut.map(({ hardCase, reason }) => [hardCase, reason]));
}

/**
 * Copies a folder into the project's home. Says what could not be copied as it is.
 *
 * @throws {FillingFailed}
 */
export async function fillFromFolder(folder: string, { projectFolder, screen, signal }: Filling): Promise<void> {
  const original = await describedIfAllowed(folder, screen, signal);
  if (original !== undefined) await mustFit(original, projectFolder);
  const refused = await screen.while(
    (elapsed) => `copying: ${durationText(elapsed)}`,
    () => copy(folder, `${projectFolder}/project`, signal),
  );
  if (refused.length > 0) {
    screen.line(`Left out, as it could not be copied by this user: ${someOf(refused)}.`, 'yellow');
  }
  if (original === undefined) return;
  const copied = await described('checking the copy', `${projectFolder}/project`, screen, signal);
  const differences = compareTrees(original, copied, { allocated: 'ignore' });
  if (refused.length === 0 && differences.length > 0) {
    const why = isRoot() ? 'did it change meanwhile?' : 'only root can copy all of it.';
    screen.line(`The copy is not just like the folder in its ${kindsOf(differences)}: ${why}`, 'yellow');
  }
}

const MAY_BE_LEFT_OUT = /: (Permission denied|Operation not permitted|No such file or directory)$/;

/** @returns what could not be copied, in the words of cp */
async function copy(folder: string, target: string, signal: AbortSignal): Promise<string[]> {
  try {
    const options = { signal, env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 64 * 2 ** 20 };
    await promisify(execFile)('cp', ['-a', '--', `${folder}/.`, target], options);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    const { stderr = '', message } = error as { stderr?: string; message: string };
    const complaints = stderr.split('\n').filter((line) => line !== '');
    const serious = complaints.find((line) => !MAY_BE_LEFT_OUT.test(line));
    if (complaints.length > 0 && serious === undefined) return complaints.map((line) => line.replace(/^cp: /, ''));
    throw new FillingFailed(`The folder could not be copied. ${serious ?? message}`, { cause: error });
  }
}

/** Undefined where this user may not look into some folder. */
async function describedIfAllowed(
  folder: string,
  screen: Screen,
  signal: AbortSignal,
): Promise<TreeDescription | undefined> {
  try {
    return await described('reading the folder', folder, screen, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}

/** The copy, and its backups in the bucket, which is on the same disk; the restore takes the place of the copy. */
async function mustFit(original: TreeDescription, projectFolder: string): Promise<void> {
  const needed = 2.2 * bytesOnDisk(original);
  const { bavail, bsize } = await statfs(projectFolder);
  if (bavail * bsize >= needed) return;
  throw new FillingFailed(
    `The demo needs about ${bytesText(needed)} of free disk for this folder, and only ${bytesText(bavail * bsize)} ` +
      `are free below ${forPeople(projectFolder)}. Name a smaller folder, or set BUCKETS_DATA_DIR to a folder on a larger disk.`,
  );
}

function someOf(lines: readonly string[]): string {
  const some = lines.slice(0, 3).join('; ');
  return lines.length > 3 ? `${some}; and ${countText(lines.length - 3, 'more', 'more')}` : some;
}

/** `owner (12 entries), mtime (1 entry)`. */
function kindsOf(differences: readonly Difference[]): string {
  return [...Map.groupBy(differences, ({ kind }) => kind)]
    .map(([kind, ofKind]) => `${kind} (${countText(ofKind.length, 'entry', 'entries')})`)
    .join(', ');
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
