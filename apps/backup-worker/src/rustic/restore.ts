import { emptyList, joined, note, type BoundedList } from './bounded-list.js';
import { failed, stoppedOrFailed, type Failed, type Stopped, type WithNotes } from './outcome.js';
import type { EndedProcess } from './run-process.js';
import type { Transcript } from './transcript.js';

/** Holes come back as holes, owners as numbers; what stands in the folder is never deleted. */
export function restoreArguments(snapshotId: string, folder: string, paths: readonly string[] | undefined): string[] {
  return [
    'restore',
    '--numeric-id',
    '--sparse=by-content',
    ...(paths === undefined ? [] : selection(paths)),
    '--',
    snapshotId,
    folder,
  ];
}

/** Globs that choose these entries with all that is in them, and the folders above for their owners and modes. */
export function selection(paths: readonly string[]): string[] {
  const globs = new Set<string>();
  for (const path of paths) {
    const parts = path.split('/').slice(1).map(literal);
    parts.forEach((_, depth) => globs.add(`/${parts.slice(0, depth + 1).join('/')}`));
    globs.add(`/${parts.join('/')}/**`);
  }
  return [...globs].map((glob) => `--glob=${glob}`);
}

/** Each character that means something in a glob, or that is cut off at its end, in a class of its own. */
function literal(name: string): string {
  return name.replace(/[[\]*?{}\\\s]/g, '[$&]');
}

/** Something that could not be set on a restored entry. */
export interface RestoreProblem {
  /** As in the snapshot, such as `/project/run.sh`. */
  path: string;
  what: 'owner' | 'mode' | 'attributes' | 'times' | 'special-file';
}

export interface Restored extends WithNotes {
  files: number;
  folders: number;
  /** Bytes of all files, hard links counted once. */
  bytes: number;
}

/** rustic had nothing to complain about. Whether the files are those of the snapshot is the caller's to check. */
export interface RestoreSucceeded extends Restored {
  outcome: 'succeeded';
}

/** The files are there, but not just as they were. */
export interface RestorePartial extends Restored {
  outcome: 'partial';
  problems: BoundedList<RestoreProblem>;
  /** Warnings that name no entry, or that are not understood. */
  warnings: BoundedList<string>;
}

export type RestoreOutcome = RestoreSucceeded | RestorePartial | Failed | Stopped;

/** Sorts the warnings of a restore. The texts are those of rustic_core 0.13, `commands/restore.rs`. */
export class RestoreWarnings {
  readonly problems: BoundedList<RestoreProblem> = emptyList();
  readonly notes: BoundedList<string> = emptyList();

  readonly take = (warning: string): boolean => {
    if (warning.startsWith('Error in cache backend ')) {
      note(this.notes, warning);
      return true;
    }
    const found = /^restore (.*): ([^:]*) failed\.$/s.exec(warning);
    const what = found && WHAT[found[2] ?? ''];
    if (found && what) note(this.problems, { path: `/${found[1]}`, what });
    return what != null;
  };
}

const WHAT: Record<string, RestoreProblem['what'] | undefined> = {
  'creating special file': 'special-file',
  'setting UID/GID': 'owner',
  'setting User/Group': 'owner',
  chmod: 'mode',
  'setting extended attributes': 'attributes',
  'setting file times': 'times',
};

/** What a restore tells on its way in plain text. */
export class RestoreReport {
  files = 0;
  folders = 0;
  bytes = 0;
  done = false;

  takeLine(line: string): void {
    const counts = /^(Files|Dirs): +(\d+) to restore/.exec(line);
    if (counts) this[counts[1] === 'Files' ? 'files' : 'folders'] = Number(counts[2]);
    if (line === 'restore done.') this.done = true;
  }
}

export function restoreOutcome(
  ended: EndedProcess,
  transcript: Transcript,
  { problems, notes }: RestoreWarnings,
  report: RestoreReport,
  access: { temporary: boolean },
): RestoreOutcome {
  const cut = stoppedOrFailed(ended, transcript, access);
  if (cut) return cut;
  if (!report.done) return failed(ended, transcript, access);
  const restored: Restored = { files: report.files, folders: report.folders, bytes: report.bytes, notes };
  const warnings = joined(transcript.errors, transcript.warnings);
  if (problems.total + warnings.total === 0) return { outcome: 'succeeded', ...restored };
  return { outcome: 'partial', ...restored, problems, warnings };
}
