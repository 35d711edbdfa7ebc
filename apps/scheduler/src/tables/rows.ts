import type {
  ChangeCounter,
  FreshnessState,
  OperationKind,
  Outcome,
  PartialReason,
  Retention,
} from '@buckets/contracts';
import type { HeldUntil, OutsideChange } from '@buckets/freshness';
import type { InVain } from '../when/in-vain.js';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Positions come as text from Postgres; they stay far below 2^53. */
const position = { type: 'bigint', transformer: { to: (value: number | null) => value, from: numberOrNull } } as const;
/** Milliseconds since 1970 in the code. */
const moment = { type: 'timestamptz', transformer: { to: dateOrNull, from: millisecondsOrNull } } as const;

/** A project, as far as its freshness and its schedule go. */
@Entity({ schema: 'scheduler', name: 'project' })
export class ProjectRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  /** Null of a project that was found in its bucket and was not assigned since. */
  @Column({ type: 'text', nullable: true }) host_id!: string | null;
  @Column({ type: 'int' }) generation!: number;
  @Column({ type: 'int' }) backup_interval_minutes!: number;
  /** Null where all backups are kept. */
  @Column({ type: 'jsonb', nullable: true }) retention!: Retention | null;
  @Column(moment) created_at!: number;
  /** When its data were on the host of this generation; null while they are not. */
  @Column({ ...moment, nullable: true }) provisioned_at!: number | null;
  /** Where a backup was brought back; null when the present data came otherwise. */
  @Column({ ...position, nullable: true }) restored_position!: number | null;
  /** Until when a backup was certain to lack nothing of the project. */
  @Column({ type: 'jsonb', nullable: true }) held_until!: HeldUntil | null;
  @Column({ type: 'boolean' }) running!: boolean;
  /** Oldest first, bounded. */
  @Column({ type: 'jsonb' }) outside_changes!: OutsideChange[];

  /** What was stated last; null before the first statement. */
  @Column({ type: 'text', nullable: true }) freshness!: FreshnessState | null;
  @Column({ ...moment, nullable: true }) stale_since!: number | null;
  @Column({ type: 'text', nullable: true }) freshness_reason!: string | null;
  @Column({ type: 'text', nullable: true }) covered_by!: string | null;
  /** Whether it is fresh as of a look only. */
  @Column({ type: 'boolean', default: false }) unwatched!: boolean;
  @Column({ type: 'text', nullable: true }) stated_epoch!: string | null;
  @Column({ ...moment, nullable: true }) stated_at!: number | null;

  /** The backup operation that ended last, and how many have ended in a row without any backup. */
  @Column({ type: 'text', nullable: true }) last_backup_operation_id!: string | null;
  @Column({ ...moment, nullable: true }) last_backup_ended_at!: number | null;
  @Column({ type: 'text', nullable: true }) last_backup_outcome!: Outcome | null;
  @Column({ type: 'int' }) failed_backups!: number;

  /**
   * Since when snapshots may lie in the repository that are no backups: the end of the first operation that may have
   * left one and no tidying has covered, or that of a later tidying that was in vain. Null when there are none.
   */
  @Column({ ...moment, nullable: true }) orphans_since!: number | null;
  /** The end of the last such operation. */
  @Column({ ...moment, nullable: true }) orphans_until!: number | null;

  /** How many backups a deletion may have removed. */
  @Column({ type: 'int' }) in_doubt!: number;
  /** Since when there are such, or when they were last looked for in vain; null when there are none. */
  @Column({ ...moment, nullable: true }) doubts_since!: number | null;

  /** When its repository was last looked at as a whole, or had its first backup; null while there is none. */
  @Column({ ...moment, nullable: true }) verified_at!: number | null;
  /** Where the last verification ended, whether it came to look or not. */
  @Column({ ...position, nullable: true }) last_verify_position!: number | null;

  /** The last event by which other backups may be kept than before. */
  @Column(position) kept_position!: number;
  @Column(moment) kept_at!: number;
  /** The operations that came to nothing since one of their kind did not. */
  @Column({ type: 'jsonb' }) in_vain!: Partial<Record<OperationKind, InVain>>;

  /** Of the project's last event. */
  @Column(position) position!: number;
}

/** A backup that has not been deleted. */
@Entity({ schema: 'scheduler', name: 'backup' })
export class BackupRow {
  @PrimaryColumn({ type: 'text' }) project_id!: string;
  @PrimaryColumn({ type: 'text' }) id!: string;
  /** When its operation was first allowed to begin, as the log says: the clocks of hosts choose nothing. */
  @Column(moment) began_at!: number;
  /** Where its operation was first allowed to begin; 0 when that is not known any more. */
  @Column(position) began_position!: number;
  @Column(position) recorded_position!: number;
  @Column({ type: 'jsonb' }) counter!: ChangeCounter;
  /** As things stand: what was accepted is wrong no more. */
  @Column({ type: 'jsonb' }) partial_because!: PartialReason[];
  /** A deletion may have removed it. */
  @Column({ type: 'boolean' }) in_doubt!: boolean;
  /** Something of it is lost. */
  @Column({ type: 'boolean' }) damaged!: boolean;
}

/** An operation that has not ended, or one of the project's last backups: its record may come after its end. */
@Entity({ schema: 'scheduler', name: 'operation' })
export class OperationRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) project_id!: string;
  @Column({ type: 'text' }) host_id!: string;
  @Column({ type: 'text' }) kind!: OperationKind;
  @Column(position) requested_position!: number;
  /** Of its first attempt: a later one may find and claim what that one has made. */
  @Column({ ...position, nullable: true }) began_position!: number | null;
  /** When that was, as the log says. */
  @Column({ ...moment, nullable: true }) began_at!: number | null;
  @Column({ type: 'boolean' }) ended!: boolean;
  /** When its time in the queue is up. */
  @Column(moment) queue_until!: number;
  /** When its time is up, whatever it does. */
  @Column(moment) whole_until!: number;
  @Column({ ...moment, nullable: true }) cancel_requested_at!: number | null;
  /** Of a tidying: it removes the orphans from before this. */
  @Column({ ...moment, nullable: true }) tidies_before!: number | null;
  /** Of a deletion: the backup that it deletes. */
  @Column({ type: 'text', nullable: true }) forgets!: string | null;
}

export const SCHEDULER_ENTITIES = [ProjectRow, BackupRow, OperationRow] as const;

function numberOrNull(value: string | null): number | null {
  return value === null ? null : Number(value);
}

function dateOrNull(value: number | null): Date | null {
  return value === null ? null : new Date(value);
}

function millisecondsOrNull(value: Date | null): number | null {
  return value === null ? null : value.getTime();
}
