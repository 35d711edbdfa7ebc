import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsLatitude,
  IsLongitude,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { BackupRecord, FileProblems } from './backup.js';
import { ChangeCounter } from './counter.js';
import { BACKUP_ID_PATTERN, ID_PATTERN } from './ids.js';
import {
  FRESHNESS_STATES,
  ROOTS,
  SCOPES,
  type FreshnessState,
  type OperationKind,
  type Outcome,
  type Root,
  type Scope,
} from './vocabulary.js';

/** Who asked, and what body an idempotency key stood for. */
class Requested {
  /** `key/<apiKeyId>`, `admin` or `scheduler`. */
  @IsString() @Length(1, 128) requestedBy!: string;
  /** SHA-256 of the request that an idempotency key was used with. */
  @IsOptional() @IsString() @Length(64, 64) requestHash?: string;
}

export class RegionCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  @IsLatitude() latitude!: number;
  @IsLongitude() longitude!: number;
}

/** The credentials are in the vault, never here. */
export class BucketCreated extends Requested {
  @Matches(ID_PATTERN) regionId!: string;
  @IsString() @Length(1, 2000) endpoint!: string;
  @IsString() @Length(1, 100) s3Region!: string;
  @IsString() @Length(1, 255) bucket!: string;
}

export class HostCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  @Matches(ID_PATTERN) regionId!: string;
}

export class HostUpdated extends Requested {
  @IsOptional() @IsString() @Length(1, 200) name?: string;
}

export class ApiKeyCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  /** SHA-256 of the token, which has 256 random bits. */
  @Matches(/^[0-9a-f]{64}$/) tokenHash!: string;
  @IsArray() @IsIn(SCOPES, { each: true }) scopes!: Scope[];
  @IsOptional() @IsISO8601() expiresAt?: string;
}

export class ApiKeyRevoked extends Requested {}

/** Title and description are people's text: sealed. */
export class ProjectCreated extends Requested {
  @IsOptional() @IsString() @MaxLength(8192) title?: string;
  @IsOptional() @IsString() @MaxLength(65536) description?: string;
  @IsString() @Length(1, 200) ownerId!: string;
  @Matches(ID_PATTERN) regionId!: string;
  @Matches(ID_PATTERN) bucketId!: string;
  @Matches(ID_PATTERN) hostId!: string;
  @IsInt() @Min(1) generation!: number;
  @IsInt() @Min(1) @Max(525_600) backupIntervalMinutes!: number;
}

export class ProjectUpdated extends Requested {
  @IsOptional() @IsString() @MaxLength(8192) title?: string;
  @IsOptional() @IsString() @MaxLength(65536) description?: string;
  @IsOptional() @IsInt() @Min(1) @Max(525_600) backupIntervalMinutes?: number;
}

/** The data of the project are on its host: created, adopted or restored, and checked. */
export class ProjectProvisioned {
  @Matches(ID_PATTERN) operationId!: string;
  @IsInt() @Min(1) generation!: number;
  @IsIn(['created', 'adopted', 'restored']) by!: 'created' | 'adopted' | 'restored';
  @IsOptional() @Matches(BACKUP_ID_PATTERN) backupId?: string;
  @IsIn(ROOTS, { each: true }) roots!: Root[];
}

/** A change that was reported from outside the host, the first since a backup began. */
export class ProjectChanged {
  @IsString() @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/) source!: string;
  @IsISO8601() at!: string;
}

export class FreshnessChanged {
  @IsIn(FRESHNESS_STATES) freshness!: FreshnessState;
  /** Since when there have been changes that no backup covers. */
  @IsOptional() @IsISO8601() staleSince?: string;
  @IsString() @MaxLength(500) reason!: string;
  @IsOptional() @ValidateNested() @Type(() => ChangeCounter) counter?: ChangeCounter;
  @IsOptional() @Matches(BACKUP_ID_PATTERN) coveredBy?: string;
}

export class RepositoryInitialised {
  /** The id in the repository's `config`: each run compares it. */
  @Matches(/^[0-9a-f]{64}$/) configId!: string;
  @Matches(ID_PATTERN) operationId!: string;
}

export class BackupRecorded extends BackupRecord {
  @Matches(ID_PATTERN) hostId!: string;
}

export class BackupDeleted {
  @Matches(BACKUP_ID_PATTERN) backupId!: string;
  @Matches(ID_PATTERN) operationId!: string;
}

/** A claim from a host that had no say. It changes nothing. */
export class ClaimRejected {
  @Matches(ID_PATTERN) hostId!: string;
  @IsString() claim!: string;
  @IsString() reason!: string;
  @IsOptional() @IsString() operationId?: string;
}

export class OperationRequested extends Requested {
  @Matches(ID_PATTERN) operationId!: string;
  @Matches(ID_PATTERN) hostId!: string;
  @IsInt() @Min(1) generation!: number;
  /** What the kind of operation takes: see `intents.ts`. */
  @IsObject() params!: Record<string, unknown>;
}

/** The control plane has granted an attempt: what was reported before this is covered by a backup that begins now. */
export class OperationBegan {
  @Matches(ID_PATTERN) operationId!: string;
  @Matches(ID_PATTERN) hostId!: string;
  @IsInt() @Min(1) attempt!: number;
  @Matches(ID_PATTERN) attemptId!: string;
}

/** What a restore did, and what it could not. */
export class RestoreResult {
  @Matches(BACKUP_ID_PATTERN) backupId!: string;
  @IsISO8601() backupBeganAt!: string;
  @IsIn(ROOTS, { each: true }) roots!: Root[];
  @IsInt() @Min(0) files!: number;
  @IsInt() @Min(0) bytes!: number;
  @ValidateNested() @Type(() => FileProblems) problems!: FileProblems;
  /** What the backup itself lacks. */
  @ValidateNested() @Type(() => FileProblems) lacks!: FileProblems;
}

export class HookResult {
  @IsInt() exitCode!: number;
  /** The end of what it printed, 4 KiB at most; people's text: sealed. */
  @IsString() output!: string;
}

export class OperationResult {
  @IsOptional() @Matches(BACKUP_ID_PATTERN) backupId?: string;
  @IsOptional() @ValidateNested() @Type(() => RestoreResult) restore?: RestoreResult;
  @IsOptional() @ValidateNested() @Type(() => HookResult) hook?: HookResult;
  @IsOptional() @IsIn(ROOTS, { each: true }) @ArrayMaxSize(2) createdRoots?: Root[];
}

export class OperationEnded {
  @Matches(ID_PATTERN) operationId!: string;
  @IsOptional() @IsInt() @Min(1) attempt?: number;
  @IsOptional() @ValidateNested() @Type(() => OperationResult) result?: OperationResult;
  /** Stable, for programs. */
  @IsOptional() @IsString() @Length(1, 100) code?: string;
  /** For people: what happened, and what to do next. */
  @IsOptional() @IsString() @MaxLength(8192) reason?: string;
  /** Whether a process now stands started, after a start or a stop. */
  @IsOptional() @IsBoolean() running?: boolean;
}

type RequestedTypes = { [K in OperationKind as `${K}-requested`]: OperationRequested };
type BeganTypes = { [K in OperationKind as `${K}-began`]: OperationBegan };
type EndedTypes = { [K in OperationKind as `${K}-${Outcome}`]: OperationEnded };

export interface ProjectEvents extends RequestedTypes, BeganTypes, EndedTypes {
  created: ProjectCreated;
  updated: ProjectUpdated;
  provisioned: ProjectProvisioned;
  changed: ProjectChanged;
  'freshness-changed': FreshnessChanged;
  'repository-initialised': RepositoryInitialised;
  'backup-recorded': BackupRecorded;
  'backup-deleted': BackupDeleted;
  'claim-rejected': ClaimRejected;
}

/** Every fact, by thing and type. */
export interface Events {
  region: { created: RegionCreated };
  bucket: { created: BucketCreated };
  host: { created: HostCreated; updated: HostUpdated };
  'api-key': { created: ApiKeyCreated; revoked: ApiKeyRevoked };
  project: ProjectEvents;
}

export type EventThing = keyof Events;
export type EventType<T extends EventThing> = keyof Events[T] & string;

/** One fact as decided: not yet in the log. */
export type NewEvent<T extends EventThing = EventThing> = {
  [K in T]: { [Y in EventType<K>]: { thing: K; type: Y; data: Events[K][Y] } }[EventType<K>];
}[T];

/** One fact of the log. */
export type LoggedEvent<T extends EventThing = EventThing> = NewEvent<T> & {
  id: string;
  messageId: string;
  /** Sequence in the log. */
  position: number;
  /** RFC 3339, by the clock of whoever stated it. */
  time: string;
};
