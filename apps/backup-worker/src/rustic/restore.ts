import { escapeName } from '../file-system/escaped-name.js';
import { emptyList, joined, note, type BoundedList } from './bounded-list.js';
import type { Extents, Message } from './messages.js';
import { failed, stoppedOrFailed, type Failed, type Ran, type Stopped, type WithNotes } from './outcome.js';
import type { RusticProgress } from './progress.js';

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

/**
 * Each character that means something in a glob, or that is cut off at its end, in a class of its own. A class takes its
 * characters byte by byte, so that white space beyond ASCII stands as the only one of several alternatives instead.
 */
function literal(name: string): string {
  return name.replace(/[[\]*?{}\\\t-\r ]/g, '[$&]').replace(/[\p{White_Space}--\p{ASCII}]/gv, '{$&}');
}

/** Something that could not be set on a restored entry. */
export interface RestoreProblem {
  /** As in the snapshot, such as `/project/run.sh`, in the form in which live files are named. */
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

/** Listens to a restore. The texts are those of rustic 0.11.4 `commands/restore.rs`, and of the same in rustic_core. */
export class RestoreReport {
  readonly problems: BoundedList<RestoreProblem> = emptyList();
  readonly notes: BoundedList<string> = emptyList();
  files = 0;
  folders = 0;
  bytes = 0;
  done = false;

  readonly extents: Extents = {
    mayHoldName: (text) => text.startsWith('restore '),
    namesIn: (text) => (problemIn(text) === undefined ? 0 : 1),
  };

  readonly take = ({ level, text }: Message): boolean => {
    if (level !== 'warning') return false;
    if (text.startsWith('Error in cache backend ')) {
      note(this.notes, text);
      return true;
    }
    const problem = problemIn(text);
    if (problem !== undefined) note(this.problems, problem);
    return problem !== undefined;
  };

  takeLine(line: string, progress: RusticProgress | undefined): void {
    this.bytes = progress?.bytesTotal ?? this.bytes;
    const counts = /^(Files|Dirs): +(\d+) to restore/.exec(line);
    if (counts) this[counts[1] === 'Files' ? 'files' : 'folders'] = Number(counts[2]);
    if (line === 'restore done.') this.done = true;
  }
}

function problemIn(warning: string): RestoreProblem | undefined {
  const found = /^restore (.*): ([^:\n]*) failed\.$/s.exec(warning);
  const what = WHAT[found?.[2] ?? ''];
  return what && { path: escapeName(Buffer.from(`/${found?.[1]}`)), what };
}

const WHAT: Record<string, RestoreProblem['what'] | undefined> = {
  'creating special file': 'special-file',
  'setting UID/GID': 'owner',
  'setting User/Group': 'owner',
  chmod: 'mode',
  'setting extended attributes': 'attributes',
  'setting file times': 'times',
};

export function restoreOutcome(ran: Ran, report: RestoreReport): RestoreOutcome {
  const cut = stoppedOrFailed(ran);
  if (cut) return cut;
  const { files, folders, bytes, problems, notes, done } = report;
  if (!done) return failed(ran);
  const restored: Restored = { files, folders, bytes, notes };
  const warnings = joined(ran.transcript.errors, ran.transcript.warnings);
  if (problems.total + warnings.total === 0) return { outcome: 'succeeded', ...restored };
  return { outcome: 'partial', ...restored, problems, warnings };
}
