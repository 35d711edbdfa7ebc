import { emptyList, joined, note, type BoundedList } from './bounded-list.js';
import { jsonLine } from './json-line.js';
import { failed, stoppedOrFailed, type Failed, type Ran, type Stopped, type WithNotes } from './outcome.js';
import { unreadableFileOf, type UnreadableFile } from './unreadable-file.js';

export interface BackupOrder {
  /** The folder that holds `project/` and `persist/`: they become the roots of the snapshot. */
  root: string;
  /** Stands as the snapshot's host name. */
  projectId: string;
  tags: readonly string[];
  /** JSON with what the snapshot is of; everybody who can read the repository can read it. */
  description: string;
  /** The snapshot to compare with. With it rustic need not list and read all snapshots. */
  parent?: string;
  /** Stands as the snapshot's command, in place of the real arguments. */
  command: string;
}

export const SNAPSHOT_LABEL = 'v2';

/**
 * Nothing is excluded: of rustic's filters (ignore files, markers, size, file system) none is given, and none has an
 * effect unless it is. A file counts as unchanged when type, size, mtime and ctime are those of the parent.
 */
export function backupArguments(order: BackupOrder): string[] {
  return [
    'backup',
    '--as-path=/',
    `--host=${order.projectId}`,
    `--label=${SNAPSHOT_LABEL}`,
    ...order.tags.map((tag) => `--tag=${tag}`),
    `--description=${order.description}`,
    `--command=${order.command}`,
    '--group-by=host,label,paths',
    '--set-ctime=yes',
    '--set-xattrs=yes',
    '--set-devid=hardlink',
    ...(order.parent === undefined ? [] : [`--parent=${order.parent}`]),
    '--',
    order.root,
  ];
}

export interface BackupSummary {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  foldersNew: number;
  foldersChanged: number;
  foldersUnmodified: number;
  /** Bytes of all files, as read or as known from the parent. */
  bytesProcessed: number;
  /** Bytes that were new to the repository, before and after compression. */
  bytesAdded: number;
  bytesAddedPacked: number;
  /** rustic's own time, without its start. */
  seconds: number;
}

export interface BackupMade extends WithNotes {
  snapshotId: string;
  summary: BackupSummary;
}

/** All that was there is in the snapshot. Whether the repository holds the snapshot is the caller's to check. */
export interface BackupSucceeded extends BackupMade {
  outcome: 'succeeded';
}

/** There is a snapshot, but not of all that was there. */
export interface BackupPartial extends BackupMade {
  outcome: 'partial';
  unreadable: BoundedList<UnreadableFile>;
  /** Warnings that name no file, or that are not understood. */
  warnings: BoundedList<string>;
}

export type BackupOutcome = BackupSucceeded | BackupPartial | Failed | Stopped;

/** Listens to a backup: what could not be read, what is no loss, and the summary. The rest stays in the transcript. */
export class BackupReport {
  readonly unreadable: BoundedList<UnreadableFile> = emptyList();
  readonly notes: BoundedList<string> = emptyList();
  summary: SummaryLine | undefined;

  constructor(private readonly root: string) {}

  readonly takeWarning = (warning: string): boolean => {
    if (NO_LOSS.test(warning)) {
      note(this.notes, warning);
      return true;
    }
    const file = unreadableFileOf(warning, this.root);
    if (file) note(this.unreadable, file);
    return file !== undefined;
  };

  takeLine(line: string): void {
    const object = jsonLine(line);
    if (object?.['message_type'] === 'summary') this.summary = object as unknown as SummaryLine;
  }
}

/**
 * Warnings after which the snapshot still holds everything: a cache that did not work, a parent that could not be
 * used (files are read instead), and errors of the scan that only adds up sizes beside the backup itself.
 */
const NO_LOSS =
  /^(Error in cache backend |missing blobs in index for unchanged file |ignoring error when loading parent tree |error determining backup size: |ignoring error (\/|[^:]*\(os error \d+\)$))/;

export function backupOutcome(ran: Ran, { unreadable, notes, summary }: BackupReport): BackupOutcome {
  const snapshotId = summary?.snapshot_id;
  const cut = stoppedOrFailed(ran);
  if (cut?.outcome === 'failed') return cut;
  if (cut) return { ...cut, snapshotId };
  if (!summary || snapshotId === undefined) return failed(ran);

  const made: BackupMade = { snapshotId, summary: summaryOf(summary), notes };
  const warnings = joined(ran.transcript.errors, ran.transcript.warnings);
  if (unreadable.total + warnings.total === 0) return { outcome: 'succeeded', ...made };
  return { outcome: 'partial', ...made, unreadable, warnings };
}

/** What rustic writes at the end; without a snapshot when it made none. */
interface SummaryLine {
  message_type: 'summary';
  snapshot_id?: string;
  files_new: number;
  files_changed: number;
  files_unmodified: number;
  dirs_new: number;
  dirs_changed: number;
  dirs_unmodified: number;
  total_bytes_processed: number;
  data_added: number;
  data_added_packed: number;
  total_duration: number;
}

function summaryOf(line: SummaryLine): BackupSummary {
  return {
    filesNew: line.files_new,
    filesChanged: line.files_changed,
    filesUnmodified: line.files_unmodified,
    foldersNew: line.dirs_new,
    foldersChanged: line.dirs_changed,
    foldersUnmodified: line.dirs_unmodified,
    bytesProcessed: line.total_bytes_processed,
    bytesAdded: line.data_added,
    bytesAddedPacked: line.data_added_packed,
    seconds: line.total_duration,
  };
}
