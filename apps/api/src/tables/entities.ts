import type {
  Acceptance,
  BackupRecorded,
  DamagedObjects,
  FreshnessState,
  OperationKind,
  OperationLimits,
  OperationResult,
  OperationState,
  PartialReason,
  ProjectRole,
  Retention,
  Scope,
  Thing,
} from '@buckets/contracts';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Postgres hands bigint over as text; positions stay far below 2^53. */
const position = {
  type: 'bigint',
  transformer: { from: numberOrNull, to: (value: number | null) => value },
} as const;

/** The folded state of one thing that decisions are made on, and the position of its last event. */
@Entity({ schema: 'api', name: 'thing_state' })
export class ThingStateRow {
  @PrimaryColumn({ type: 'text' }) thing!: Thing;
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column(position) position!: number;
  @Column({ type: 'jsonb' }) state!: object;
}

/** The raw log once more, message for message: the log can be rebuilt from it. */
@Entity({ schema: 'api', name: 'journal' })
export class JournalRow {
  @PrimaryColumn(position) position!: number;
  @Column({ type: 'text' }) subject!: string;
  @Column({ type: 'jsonb' }) headers!: Record<string, string>;
  @Column({ type: 'bytea' }) bytes!: Buffer;
  @Column({ type: 'text' }) stored_at!: string;
}

@Entity({ schema: 'api', name: 'region' })
export class RegionRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) name!: string;
  @Column({ type: 'float8' }) latitude!: number;
  @Column({ type: 'float8' }) longitude!: number;
  @Column(position) position!: number;
}

@Entity({ schema: 'api', name: 'bucket' })
export class BucketRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) region_id!: string;
  @Column({ type: 'text' }) endpoint!: string;
  @Column({ type: 'text' }) s3_region!: string;
  @Column({ type: 'text' }) bucket!: string;
  @Column(position) position!: number;
}

@Entity({ schema: 'api', name: 'host' })
export class HostRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) name!: string;
  @Column({ type: 'text' }) region_id!: string;
  @Column({ type: 'text' }) created_at!: string;
  @Column(position) position!: number;
}

@Entity({ schema: 'api', name: 'api_key' })
export class ApiKeyRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) name!: string;
  @Index('api_key_token_hash', { unique: true }) @Column({ type: 'text' }) token_hash!: string;
  @Column({ type: 'jsonb' }) scopes!: Scope[];
  @Column({ type: 'text', nullable: true }) expires_at!: string | null;
  @Column({ type: 'text', nullable: true }) revoked_at!: string | null;
  /** Null of a key for the whole fleet. */
  @Column({ type: 'text', nullable: true }) owner_id!: string | null;
  /** The keys that it ends with. */
  @Column({ type: 'jsonb' }) makers!: string[];
  /** As the log names them; null where the journal did not say it of an earlier key. */
  @Column({ type: 'text', nullable: true }) made_by!: string | null;
  @Column({ type: 'text' }) created_at!: string;
  @Column(position) position!: number;
}

/** Who has which role in a project; its owner is one of them. */
@Entity({ schema: 'api', name: 'member' })
@Index('member_project', ['project_id', 'position'])
export class MemberRow {
  @PrimaryColumn({ type: 'text' }) user_id!: string;
  @PrimaryColumn({ type: 'text' }) project_id!: string;
  @Column({ type: 'text' }) role!: ProjectRole;
  /** Of the event that gave the role. */
  @Column(position) position!: number;
}

@Entity({ schema: 'api', name: 'project' })
/* Of those where something is damaged. TypeORM knows no such condition. */
@Index('project_damaged', { synchronize: false })
@Index('project_host_id', { synchronize: false })
@Index('project_host_position', ['host_id', 'position'])
@Index('project_owner_position', ['owner_id', 'position'])
export class ProjectRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) owner_id!: string;
  /** Sealed. */
  @Column({ type: 'text', nullable: true }) title!: string | null;
  /** Sealed. */
  @Column({ type: 'text', nullable: true }) description!: string | null;
  @Column({ type: 'text' }) region_id!: string;
  @Column({ type: 'text' }) bucket_id!: string;
  /** Null of a project that was found in its bucket and was not assigned since. */
  @Column({ type: 'text', nullable: true }) host_id!: string | null;
  @Column({ type: 'int' }) generation!: number;
  @Column({ type: 'int' }) backup_interval_minutes!: number;
  /** Null where all backups are kept. */
  @Column({ type: 'jsonb', nullable: true }) retention!: Retention | null;
  @Column({ type: 'boolean' }) provisioned!: boolean;
  @Column({ type: 'boolean' }) running!: boolean;
  @Column({ type: 'text' }) freshness!: FreshnessState;
  @Column({ type: 'text', nullable: true }) stale_since!: string | null;
  @Column({ type: 'text' }) freshness_reason!: string;
  @Column({ type: 'text', nullable: true }) covered_by!: string | null;
  @Column({ type: 'text', nullable: true }) freshness_at!: string | null;
  /** Whether it is fresh as of its host's last look only. */
  @Column({ type: 'boolean', default: false }) unwatched!: boolean;
  @Column({ type: 'text' }) created_at!: string;
  /** The operation that makes its data. */
  @Column({ type: 'text', nullable: true }) provision_operation_id!: string | null;
  /** How many backups it has. */
  @Column({ type: 'int' }) backups!: number;
  /** Of how many of them something is lost. */
  @Column({ type: 'int' }) damaged_backups!: number;
  /** What became of the backup that holds everything, since that was stated. */
  @Column({ type: 'text', nullable: true }) cover_lost!: CoverLoss | null;
  /** What is known to be damaged in its repository, until it is mended. */
  @Column({ type: 'jsonb', nullable: true }) damage!: KnownDamage | null;
  @Index('project_position') @Column(position) position!: number;
}

/** Something of it is lost; or a deletion may have removed it. */
export type CoverLoss = 'damaged' | 'in-doubt';

export interface KnownDamage extends DamagedObjects {
  /** The operation that has found it. */
  operationId: string;
  at: string;
}

@Entity({ schema: 'api', name: 'backup' })
/*
 * TypeORM takes the columns of an index for being in the order of the table's, which these are not, and knows nothing of
 * conditions. Whatever a decision looks for (`look-up.ts`) has an index of its own.
 */
@Index('backup_project_began', { synchronize: false })
@Index('backup_restorable', { synchronize: false })
@Index('backup_good', { synchronize: false })
@Index('backup_unplaced', { synchronize: false })
@Index('backup_certain', { synchronize: false })
@Index('backup_doubt', { synchronize: false })
@Index('backup_deletion', { synchronize: false })
@Index('backup_damaged', { synchronize: false })
@Index('backup_whole', { synchronize: false })
export class BackupRow {
  @PrimaryColumn({ type: 'text' }) project_id!: string;
  @PrimaryColumn({ type: 'text' }) id!: string;
  /** By the clock of its host: for people. */
  @Column({ type: 'text' }) began_at!: string;
  /** Where its operation was first allowed to begin: backups go by it. */
  @Column(position) began_position!: number;
  @Column({ type: 'text' }) operation_id!: string;
  /** As it was recorded: large, and not read by the projection. */
  @Column({ type: 'jsonb' }) record!: BackupRecorded;
  /** What is wrong with it as things stand: what was accepted is wrong no more. */
  @Column({ type: 'jsonb' }) partial_because!: PartialReason[];
  /** Whether it is not suddenly empty or shrunken, as things stand. */
  @Column({ type: 'boolean' }) restorable!: boolean;
  /** The operation that may have deleted it. */
  @Column({ type: 'text', nullable: true }) maybe_deleted_by!: string | null;
  @Column({ type: 'boolean' }) unplaced!: boolean;
  /** Where something of it was said to be lost; null while it is whole. */
  @Column({ ...position, nullable: true }) damaged_position!: number | null;
  /** Null of one that nobody has had to accept. */
  @Column({ type: 'jsonb', nullable: true }) accepted!: AcceptedBackup | null;
  @Column(position) position!: number;
}

/** Since when a backup that is small counts as good, and why. */
export interface AcceptedBackup {
  at: string;
  because: Acceptance;
  by?: string;
}

@Entity({ schema: 'api', name: 'operation' })
@Index('operation_project_position', ['project_id', 'position'])
@Index('operation_host_position', ['host_id', 'position'])
@Index('operation_state_position', ['state', 'position'])
@Index('operation_kind_position', ['kind', 'position'])
@Index('operation_host_state_position', ['host_id', 'state', 'position'])
@Index('operation_project_state_position', ['project_id', 'state', 'position'])
export class OperationRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) project_id!: string;
  @Column({ type: 'text' }) host_id!: string;
  @Column({ type: 'int' }) generation!: number;
  @Column({ type: 'text' }) kind!: OperationKind;
  @Column({ type: 'text' }) state!: OperationState;
  @Column({ type: 'int' }) attempts!: number;
  @Column({ type: 'text' }) requested_by!: string;
  @Column({ type: 'text', nullable: true }) request_hash!: string | null;
  @Column({ type: 'jsonb' }) params!: Record<string, unknown>;
  @Column({ type: 'jsonb', nullable: true }) result!: OperationResult | null;
  @Column({ type: 'text', nullable: true }) code!: string | null;
  /** Sealed: it may name files. */
  @Column({ type: 'text', nullable: true }) reason!: string | null;
  @Column({ type: 'text' }) requested_at!: string;
  @Column({ type: 'text', nullable: true }) began_at!: string | null;
  /** Of its first attempt: a later one may find and claim what that one has made. */
  @Column({ ...position, nullable: true }) began_position!: number | null;
  @Column({ type: 'text', nullable: true }) ended_at!: string | null;
  /** Null of what was requested before operations had limits. */
  @Column({ type: 'jsonb', nullable: true }) limits!: OperationLimits | null;
  @Column({ type: 'text', nullable: true }) cancel_requested_at!: string | null;
  /** Of the request to cancel it that came first, if that had an Idempotency-Key. */
  @Column({ type: 'text', nullable: true }) cancel_hash!: string | null;
  /** Of its latest attempt. */
  @Column({ type: 'text', nullable: true }) worker_id!: string | null;
  @Column({ type: 'text', nullable: true }) previous_failure!: string | null;
  /** What its end has left behind. */
  @Column({ type: 'jsonb', nullable: true }) left_behind!: string[] | null;
  @Index('operation_position') @Column(position) position!: number;
  /** Of its latest event. */
  @Column(position) changed_position!: number;
}

/** Which request an Idempotency-Key was used for; see `RequestKeys`. */
@Entity({ schema: 'api', name: 'request_key' })
export class RequestKeyRow {
  @PrimaryColumn({ type: 'text' }) id!: string;
  @Column({ type: 'text' }) hash!: string;
  @Index('request_key_at') @Column({ type: 'timestamptz' }) at!: Date;
}

/** The tables that are made from the log. */
export const API_ENTITIES = [
  ThingStateRow,
  JournalRow,
  RegionRow,
  BucketRow,
  HostRow,
  ApiKeyRow,
  ProjectRow,
  MemberRow,
  BackupRow,
  OperationRow,
] as const;

function numberOrNull(value: string | null): number | null {
  return value === null ? null : Number(value);
}
