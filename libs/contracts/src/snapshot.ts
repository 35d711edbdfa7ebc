import { IsIn, IsString, Length } from 'class-validator';
import type { BackupRecord } from './backup.js';
import { readJson } from './bounded-json.js';
import { faultIn, knownPart } from './check-data.js';
import { ChangeCounter } from './counter.js';
import { isId } from './ids.js';
import { Count, Generation, Id, Moment, momentAt, Nested, Optional } from './shape.js';
import { CONSISTENCY_MODES, LAYOUT, type ConsistencyMode } from './vocabulary.js';

/** What a snapshot's description holds as JSON; a restore refuses a snapshot without it. */
export class SnapshotDescription {
  @IsIn([LAYOUT]) layout!: typeof LAYOUT;
  @Id() project!: string;
  @Id() host!: string;
  @Generation() generation!: number;
  @Id() operation!: string;
  /** When the counter was read, by the host's clock. */
  @Moment() beganAt!: string;
  /** Where in the log the operation was first allowed to begin; absent in what was made before this was written down. */
  @Optional() @Count(1) beganPosition?: number;
  @Nested(ChangeCounter) counter!: ChangeCounter;
  @IsIn(CONSISTENCY_MODES) consistency!: ConsistencyMode;
  @IsString() @Length(1, 100) version!: string;
}

/** A snapshot, as far as it tells of itself. Whoever had the repository's key may have written anything into it. */
export interface SelfDescribed {
  id: string;
  /** RFC 3339. */
  time: string;
  hostname: string;
  tags: readonly string[];
  description: string | undefined;
  parent: string | undefined;
  /** In rustic's own words and units. */
  summary: Readonly<Record<string, unknown>> | undefined;
}

/** What the snapshot says of itself, if it says that it is a backup of the project. What else it says is not checked. */
export function descriptionOf(
  { description, hostname }: Pick<SelfDescribed, 'description' | 'hostname'>,
  projectId: string,
): SnapshotDescription | null {
  const value = parsed(description);
  if (value?.layout !== LAYOUT || value.project !== projectId || hostname !== projectId) return null;
  return value as SnapshotDescription;
}

/** Why what a snapshot says of itself cannot be a fact, in a few words; null when it can. */
export function faultInDescription(description: SnapshotDescription): string | null {
  return faultIn(SnapshotDescription, description);
}

const OPERATION_TAG = 'operation:';

/** Ties a snapshot to the operation that made it. */
export function operationTag(operationId: string): string {
  return `${OPERATION_TAG}${operationId}`;
}

/** The one operation that a snapshot names as its maker; undefined when it names none, or more than one. */
export function operationOf({
  tags,
  description,
}: Pick<SelfDescribed, 'tags'> & Partial<SelfDescribed>): string | undefined {
  const described = parsed(description)?.operation;
  const named = new Set<unknown>(
    tags.filter((tag) => tag.startsWith(OPERATION_TAG)).map((tag) => tag.slice(OPERATION_TAG.length)),
  );
  if (named.size === 0) return undefined;
  if (described !== undefined) named.add(described);
  const [id] = named;
  return named.size === 1 && isId(id) ? id : undefined;
}

/**
 * The record of a backup of which nothing is left but its snapshot. It is `unwitnessed`: nobody has seen what whoever made
 * it had to say of its files.
 */
export function unwitnessedRecord(snapshot: SelfDescribed, description: SnapshotDescription): BackupRecord {
  const { beganAt, counter, consistency, operation } = description;
  const { summary, parent } = snapshot;
  const count = (name: string): number => {
    const value = summary?.[name];
    return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : 0;
  };
  return {
    backupId: snapshot.id,
    operationId: operation,
    beganAt,
    endedAt: momentOf(summary?.['backup_end']) ?? momentOf(snapshot.time) ?? beganAt,
    counter: knownPart(ChangeCounter, counter) as ChangeCounter,
    consistency: { mode: consistency, movedWhileReading: true },
    partialBecause: ['unwitnessed'],
    unreadable: { total: 0, first: [] },
    files: count('total_files_processed'),
    folders: count('total_dirs_processed'),
    bytes: count('total_bytes_processed'),
    bytesAdded: count('data_added'),
    bytesStored: count('data_added_packed'),
    filesNew: count('files_new'),
    filesChanged: count('files_changed'),
    ...(parent === undefined ? {} : { parentId: parent }),
  };
}

/**
 * The order in which snapshots say that their backups began, the oldest first: by the assignment, as a later one has the
 * higher generation whatever log it is in, then by the position in the log; what has none is from before positions were
 * written down, and goes by the clocks of hosts.
 */
export function asDescribed(a: DescribedPlace, b: DescribedPlace): number {
  return (
    a.generation - b.generation ||
    (a.beganPosition ?? 0) - (b.beganPosition ?? 0) ||
    Date.parse(a.beganAt) - Date.parse(b.beganAt) ||
    (a.backupId < b.backupId ? -1 : 1)
  );
}

export type DescribedPlace = Pick<SnapshotDescription, 'generation' | 'beganPosition' | 'beganAt'> & {
  backupId: string;
};

function momentOf(value: unknown): string | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : momentAt(at);
}

function parsed(text: string | undefined): Partial<SnapshotDescription> | null {
  try {
    const value = readJson(Buffer.from(text ?? 'null'));
    return typeof value === 'object' ? (value as Partial<SnapshotDescription> | null) : null;
  } catch {
    // A person's words, or what is no description of ours.
    return null;
  }
}
