import { extentsIn, leftOut, meaningOf, type Meaning } from './backup-sayings.js';
import { emptyList, note, type BoundedList } from './bounded-list.js';
import { jsonLine } from './json-line.js';
import type { Extents, Message } from './messages.js';
import { failed, stoppedOrFailed, type Failed, type Ran, type Stopped, type WithNotes } from './outcome.js';
import { fileInJson, type UnreadableFile } from './unreadable-file.js';

export interface BackupOrder {
  /** The folder that holds `project/` and `persist/`: they become the roots of the snapshot. */
  root: string;
  /** Stands as the snapshot's host name. */
  projectId: string;
  tags: readonly string[];
  /** JSON with what the snapshot is of; everybody who can read the repository can read it. */
  description: string;
  /** The snapshot to compare with; without it, every file is read. */
  parent?: string;
  /**
   * Files of the parent whose ctime is before this moment (milliseconds since 1970) are left unread if they look the same;
   * without it, every file is read.
   */
  settledBefore?: number;
  /** Stands as the snapshot's command, in place of the real arguments. */
  command: string;
}

export const SNAPSHOT_LABEL = 'v2';

/** Before all that a file system can stamp. */
const NOTHING_IS_SETTLED = Number.MIN_SAFE_INTEGER;

/**
 * Nothing is excluded: of rustic's filters (ignore files, markers, size, file system) none is given, and none has an
 * effect unless it is. A file counts as unchanged when inode, size, mtime and ctime are those of the parent, and it is
 * settled. A rustic that cannot be told what is settled compares with nothing.
 */
export function backupArguments(order: BackupOrder, options: { knowsSettled: boolean }): string[] {
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
    ...(order.parent === undefined || !options.knowsSettled
      ? ['--force']
      : [`--parent=${order.parent}`, `--settled-before=${settledBefore(order)}`]),
    '--',
    order.root,
  ];
}

/** A moment from the future is one from before the clock was set back: what is stamped now may look like what was then. */
function settledBefore({ settledBefore: moment }: BackupOrder): number {
  return moment === undefined || moment > Date.now() ? NOTHING_IS_SETTLED : moment;
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
  /** What was removed while the backup read. */
  vanished: BoundedList<UnreadableFile>;
}

/** All that was there is in the snapshot. Whether the repository holds the snapshot is the caller's to check. */
export interface BackupSucceeded extends BackupMade {
  outcome: 'succeeded';
}

/** There is a snapshot, but not of all that was there. */
export interface BackupPartial extends BackupMade {
  outcome: 'partial';
  unreadable: BoundedList<UnreadableFile>;
  /** Messages that tell of something that is missing, and not of what. */
  losses: BoundedList<string>;
  /** Messages that are not understood. */
  unknown: BoundedList<string>;
}

export type BackupOutcome = BackupSucceeded | BackupPartial | Failed | Stopped;

/** Files that are remembered so as to name none twice: what is said of one file is said within a few hundred entries. */
const REMEMBERED = 10_000;

/** Listens to a backup: what could not be read, what is no loss, what is not understood, and the summary. */
export class BackupReport {
  readonly unreadable: BoundedList<UnreadableFile> = emptyList();
  readonly vanished: BoundedList<UnreadableFile> = emptyList();
  readonly losses: BoundedList<string> = emptyList();
  readonly unknown: BoundedList<string> = emptyList();
  readonly notes: BoundedList<string> = emptyList();
  readonly extents: Extents;
  summary: SummaryLine | undefined;
  private readonly told = new Map<string, UnreadableFile>();

  constructor(private readonly root: string) {
    this.extents = extentsIn(root);
  }

  /** Takes a warning or an error, and keeps also what is not understood. */
  readonly take = ({ text }: Message): boolean => {
    const object = jsonLine(text);
    if (object?.['message_type'] !== undefined) this.takeObject(object);
    else this.takeMeaning(meaningOf(text, this.root), text);
    return true;
  };

  takeLine(line: string): void {
    const object = jsonLine(line);
    if (object !== undefined) this.takeObject(object);
  }

  /** The next rustic says in JSON what it could not read, and in the end that there was something. */
  private takeObject(object: Record<string, unknown>): void {
    if (object['message_type'] === 'summary') this.summary = object as unknown as SummaryLine;
    if (object['message_type'] !== 'error') return;
    const file = fileInJson(object, this.root);
    this.takeMeaning(file === undefined ? { is: 'loss' } : leftOut(file), JSON.stringify(object));
  }

  private takeMeaning(meaning: Meaning | undefined, text: string): void {
    if (meaning === undefined) note(this.unknown, text);
    else if (meaning.is === 'harmless') note(this.notes, text);
    else if (meaning.is === 'loss') note(this.losses, text);
    else this.takeFile(this[meaning.is], meaning.file);
  }

  /** One entry a file; a fault in the middle of one names the folder only, so that the next may be another one's. */
  private takeFile(list: BoundedList<UnreadableFile>, file: UnreadableFile): void {
    const earlier = this.told.get(file.path);
    if (earlier?.cause === 'attributes' && list === this.unreadable) Object.assign(earlier, file);
    if (earlier !== undefined) return;
    note(list, file);
    if (file.path.endsWith('/')) return;
    this.told.set(file.path, file);
    if (this.told.size > REMEMBERED) this.told.delete(this.told.keys().next().value!);
  }
}

/** With this the next rustic ends a backup that lacks files; it has made a snapshot all the same. */
const FILES_UNREADABLE = 3;

export function backupOutcome(ran: Ran, report: BackupReport): BackupOutcome {
  const { unreadable, vanished, losses, unknown, notes, summary } = report;
  const snapshotId = summary?.snapshot_id;
  const lacksFiles = ran.ended.exitCode === FILES_UNREADABLE && snapshotId !== undefined;
  const cut = stoppedOrFailed(lacksFiles ? { ...ran, ended: { ...ran.ended, exitCode: 0 } } : ran);
  if (cut?.outcome === 'failed') return cut;
  if (cut) return { ...cut, snapshotId };
  if (!summary || snapshotId === undefined) return failed(ran);

  const made: BackupMade = { snapshotId, summary: summaryOf(summary), vanished, notes };
  if (lacksFiles && unreadable.total + vanished.total + losses.total === 0) {
    note(losses, 'rustic says that files could not be read, and not which.');
  }
  if (unreadable.total + losses.total + unknown.total === 0) return { outcome: 'succeeded', ...made };
  return { outcome: 'partial', ...made, unreadable, losses, unknown };
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
