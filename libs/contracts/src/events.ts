import {
  IsBoolean,
  IsIn,
  IsInt,
  IsLatitude,
  IsLongitude,
  IsNumber,
  IsObject,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { BackupRecord, FileProblems } from './backup.js';
import { ChangeCounter, FirstChange } from './counter.js';
import { DamagedObjects, MAX_BACKUPS_FOUND, MAX_DAMAGED_BACKUPS, RepositoryFindings } from './damage.js';
import { MAX_LISTED } from './envelope.js';
import { ID_PATTERN } from './ids.js';
import { OperationLimits } from './limits.js';
import { Retention } from './retention.js';
import {
  BackupId,
  BackupIds,
  Count,
  Generation,
  Id,
  List,
  Moment,
  Nested,
  NestedList,
  Optional,
  UnixMs,
} from './shape.js';
import {
  ACCEPTANCES,
  FRESHNESS_STATES,
  PROJECT_ROLES,
  RECOVERED_ORDERS,
  ROOTS,
  SCOPES,
  type Acceptance,
  type FreshnessState,
  type OperationKind,
  type Outcome,
  type ProjectRole,
  type RecoveredOrder,
  type Root,
  type Scope,
} from './vocabulary.js';

/** An API key that was made by a key that was made by a key…: so many of them at most. */
export const MAX_KEY_MAKERS = 8;

/** Who asked, and what body an idempotency key stood for. */
class Requested {
  /** `key/<apiKeyId>`, `user/<userId>`, `admin`, `scheduler`, or an operator's command such as `recover-from-buckets`. */
  @IsString() @Length(1, 128) requestedBy!: string;
  /** SHA-256 of the request that an idempotency key was used with. */
  @Optional() @IsString() @Matches(/^[0-9a-f]{64}$/) requestHash?: string;
}

export class RegionCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  @IsNumber() @IsLatitude() latitude!: number;
  @IsNumber() @IsLongitude() longitude!: number;
}

/** The credentials are in the vault, never here. */
export class BucketCreated extends Requested {
  @Id() regionId!: string;
  @IsString() @Length(1, 2000) endpoint!: string;
  @IsString() @Length(1, 100) s3Region!: string;
  @IsString() @Length(1, 255) bucket!: string;
}

export class HostCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  @Id() regionId!: string;
}

export class HostUpdated extends Requested {
  @Optional() @IsString() @Length(1, 200) name?: string;
}

export class ApiKeyCreated extends Requested {
  @IsString() @Length(1, 200) name!: string;
  /** SHA-256 of the token, which has 256 random bits. */
  @Matches(/^[0-9a-f]{64}$/) tokenHash!: string;
  @List(SCOPES.length) @IsIn(SCOPES, { each: true }) scopes!: Scope[];
  @Optional() @Moment() expiresAt?: string;
  /** The API key that has made it, and those that have made that one: it ends with any of them. */
  @Optional() @List(MAX_KEY_MAKERS) @Matches(ID_PATTERN, { each: true }) makers?: string[];
}

/** An API key for the projects of one owner, and no others: a type of its own, as whoever does not know it must not read on. */
export class ApiKeyCreatedForOwner extends ApiKeyCreated {
  /** Opaque. */
  @IsString() @Length(1, 200) ownerId!: string;
}

export class ApiKeyRevoked extends Requested {}

/** Title and description are people's text: sealed. */
export class ProjectCreated extends Requested {
  @Optional() @IsString() @MaxLength(8192) title?: string;
  @Optional() @IsString() @MaxLength(65536) description?: string;
  @IsString() @Length(1, 200) ownerId!: string;
  @Id() regionId!: string;
  @Id() bucketId!: string;
  @Id() hostId!: string;
  @Generation() generation!: number;
  @IsInt() @Min(1) @Max(525_600) backupIntervalMinutes!: number;
  /** All backups are kept where nothing is said. */
  @Optional() @Nested(Retention) retention?: Retention;
}

/**
 * A project that the log does not know was found in its bucket, as after the loss of the log: its keys, and a repository
 * that they open, if it was ever backed up. Who owned it and what it was called stood in the lost log. It has no host
 * until it is assigned to one.
 */
export class ProjectRecovered extends Requested {
  @IsString() @Length(1, 200) ownerId!: string;
  @Id() regionId!: string;
  @Id() bucketId!: string;
  /** Higher than any that the bucket tells of: data on hosts are those of an earlier assignment. */
  @Generation() generation!: number;
  @IsInt() @Min(1) @Max(525_600) backupIntervalMinutes!: number;
  /** The id in the repository's `config`; absent where there is no repository. */
  @Optional() @Matches(/^[0-9a-f]{64}$/) repositoryConfigId?: string;
}

/** A project that had no host gets one. Its data are not there before they were restored or adopted. */
export class ProjectAssigned extends Requested {
  @Id() hostId!: string;
  @Generation() generation!: number;
}

export class ProjectUpdated extends Requested {
  @Optional() @IsString() @Length(1, 200) ownerId?: string;
  @Optional() @IsString() @MaxLength(8192) title?: string;
  @Optional() @IsString() @MaxLength(65536) description?: string;
  @Optional() @IsInt() @Min(1) @Max(525_600) backupIntervalMinutes?: number;
  @Optional() @Nested(Retention) retention?: Retention;
}

/** Somebody may do with a project from now on what this role may, whatever it was before. */
export class MemberSet extends Requested {
  /** Opaque. */
  @IsString() @Length(1, 200) userId!: string;
  @IsIn(PROJECT_ROLES) role!: ProjectRole;
}

export class MemberRemoved extends Requested {
  @IsString() @Length(1, 200) userId!: string;
}

/** The data of the project are on its host: created, adopted or restored, and checked. */
export class ProjectProvisioned {
  @Id() operationId!: string;
  @Generation() generation!: number;
  @IsIn(['created', 'adopted', 'restored']) by!: 'created' | 'adopted' | 'restored';
  @Optional() @BackupId() backupId?: string;
  @List(ROOTS.length) @IsIn(ROOTS, { each: true }) roots!: Root[];
}

/** A change that was reported from outside the host, the first since a backup began. */
export class ProjectChanged {
  @Id() source!: string;
  @Moment() at!: string;
}

export class FreshnessChanged {
  @IsIn(FRESHNESS_STATES) freshness!: FreshnessState;
  /** Since when there have been changes that no backup covers. */
  @Optional() @Moment() staleSince?: string;
  @IsString() @MaxLength(500) reason!: string;
  @Optional() @Nested(ChangeCounter) counter?: ChangeCounter;
  @Optional() @BackupId() coveredBy?: string;
  /** Of what is stale: the backup that lacks nothing from before `staleSince`. */
  @Optional() @BackupId() lastCoveredBy?: string;
  /** False of what is fresh as of its host's last look, as nobody watches it in between. */
  @Optional() @IsBoolean() watched?: boolean;
}

export class RepositoryInitialised {
  /** The id in the repository's `config`: each run compares it. */
  @Matches(/^[0-9a-f]{64}$/) configId!: string;
  @Id() operationId!: string;
}

/**
 * A backup was found in its bucket, and everything that is said of it is what its snapshot says of itself: whoever had the
 * repository's key has written it, with moments by the clock of that host.
 */
export class RecoveredFrom {
  @Id() bucketId!: string;
  /**
   * What its place among the backups that were found rests on, after the generation: the position in the lost log, or where
   * the snapshot does not say that, the clock of its host. They are recorded in this order, the oldest first.
   */
  @IsIn(RECOVERED_ORDERS) orderedBy!: RecoveredOrder;
  /** In the lost log. */
  @Optional() @Count(1) beganPosition?: number;
}

export class BackupRecorded extends BackupRecord {
  @Id() hostId!: string;
  /** Absent in what a host has claimed. */
  @Optional() @Nested(RecoveredFrom) recovered?: RecoveredFrom;
}

export class BackupDeleted {
  @BackupId() backupId!: string;
  @Id() operationId!: string;
}

/** A backup that was flagged as suddenly empty or shrunken is how the project is now. */
export class BackupAccepted {
  @BackupId() backupId!: string;
  @IsIn(ACCEPTANCES) because!: Acceptance;
  /** Who asked for it, if anybody. */
  @Optional() @IsString() @Length(1, 128) requestedBy?: string;
}

/** A backup that a deletion may have removed is in the repository all the same. */
export class BackupFound {
  @BackupId() backupId!: string;
  /** The operation that has looked. */
  @Id() operationId!: string;
}

/**
 * Objects of the project's repository are damaged: all that are known, whatever was said before. The next backup mends
 * what it can.
 */
export class RepositoryDamaged extends DamagedObjects {
  /** The operation that has found it. */
  @Id() operationId!: string;
}

/** Nothing is damaged any more that was known to be: it was mended, or is as it should be again. */
export class RepositoryMended {
  @Id() operationId!: string;
}

/** Something of these backups is lost: they stand for nothing until they are whole again. */
export class BackupsDamaged {
  @List(MAX_DAMAGED_BACKUPS) @BackupIds() backupIds!: string[];
  /** The operation that has found it. */
  @Id() operationId!: string;
  /**
   * Where there are too many to be named: it is so of all other backups of the project that were recorded before, but of
   * these.
   */
  @Optional() @List(MAX_BACKUPS_FOUND) @BackupIds() othersBut?: string[];
}

/** Nothing of these backups is lost any more, or ever was. */
export class BackupsHealed extends BackupsDamaged {}

/** A claim from a host that had no say. It changes nothing. */
export class ClaimRejected {
  @Id() hostId!: string;
  @IsString() @Length(1, 100) claim!: string;
  @IsString() @MaxLength(2000) reason!: string;
  @Optional() @Id() operationId?: string;
}

export class OperationRequested extends Requested {
  @Id() operationId!: string;
  @Id() hostId!: string;
  @Generation() generation!: number;
  /** What the kind of operation takes: see `intents.ts`. */
  @IsObject() params!: Record<string, unknown>;
  /** Absent in what was requested before operations had limits: see `DEFAULT_LIMITS`. */
  @Optional() @Nested(OperationLimits) limits?: OperationLimits;
}

/** Somebody wants an operation to end that has begun. How it ends is its host's to say; if that is silent, the limits'. */
export class CancelRequested extends Requested {
  @Id() operationId!: string;
}

/** The control plane has granted an attempt: what was reported before this is covered by a backup that begins now. */
export class OperationBegan {
  @Id() operationId!: string;
  @Id() hostId!: string;
  @Count(1) attempt!: number;
  @Id() attemptId!: string;
  /** The run of the worker that makes the attempt, as in the host's reports. */
  @Optional() @Id() workerId?: string;
  /** The class of the failure that ended the attempt before, if that one failed. */
  @Optional() @IsString() @Length(1, 100) previousFailure?: string;
}

/** What a host knew of the changes of the data that a restore has put others in place of, right before it did so. */
export class ReplacedData {
  @Nested(ChangeCounter) counter!: ChangeCounter;
  /** As in its reports: counters of the same content, and the first change after each of the most recent backups. */
  @NestedList(ChangeCounter, MAX_LISTED) sameAs!: ChangeCounter[];
  @NestedList(FirstChange, MAX_LISTED) firstChanges!: FirstChange[];
  @UnixMs() at!: number;
}

/** What a restore did, and what it could not. */
export class RestoreResult {
  @BackupId() backupId!: string;
  @Moment() backupBeganAt!: string;
  @List(ROOTS.length) @IsIn(ROOTS, { each: true }) roots!: Root[];
  /** All that is no folder. Before there was `folders`, folders were counted with it. */
  @Count() files!: number;
  /** The roots included. */
  @Optional() @Count() folders?: number;
  @Count() bytes!: number;
  /** Since when there were changes that no backup held: they are lost. Stated by the control plane. */
  @Optional() @Moment() changesLostSince?: string;
  /** In the claim alone; absent where the data were missing, or were not looked after. */
  @Optional() @Nested(ReplacedData) replaced?: ReplacedData;
  @Nested(FileProblems) problems!: FileProblems;
  /** What the backup itself lacks. */
  @Nested(FileProblems) lacks!: FileProblems;
}

export class HookResult {
  @IsInt() exitCode!: number;
  /** The end of what it printed, 4 KiB at most; people's text: sealed. */
  @IsString() @MaxLength(16_384) output!: string;
}

/** A snapshot in a project's repository that is none of its backups. */
export class Orphan {
  @BackupId() backupId!: string;
  /** When the snapshot was made, by its host's clock. */
  @Moment() at!: string;
  /** The operation that made it, if it says so. */
  @Optional() @Id() operationId?: string;
  @IsBoolean() removed!: boolean;
}

export class Orphans {
  @Count() total!: number;
  @Count() removed!: number;
  /** The oldest hundred. */
  @NestedList(Orphan, 100) first!: Orphan[];
  /** How many call themselves backups of operations that the log does not know. They are not removed. */
  @Optional() @Count() unexplained?: number;
}

/** Which backups are in the repository, of those that a deletion may have removed. */
export class BackupsLookedFor {
  @List(MAX_LISTED) @BackupIds() there!: string[];
  @List(MAX_LISTED) @BackupIds() gone!: string[];
}

export class OperationResult {
  @Optional() @BackupId() backupId?: string;
  @Optional() @Nested(RestoreResult) restore?: RestoreResult;
  @Optional() @Nested(HookResult) hook?: HookResult;
  /** The command after a backup, where it has failed: that changes nothing of the backup. */
  @Optional() @Nested(HookResult) afterCommand?: HookResult;
  @Optional() @List(ROOTS.length) @IsIn(ROOTS, { each: true }) createdRoots?: Root[];
  /** Of a start that named a backup and restored none, as nothing was missing. */
  @Optional() @IsBoolean() dataWereThere?: boolean;
  @Optional() @Nested(Orphans) orphans?: Orphans;
  @Optional() @Nested(BackupsLookedFor) lookedFor?: BackupsLookedFor;
  @Optional() @Nested(RepositoryFindings) repository?: RepositoryFindings;
}

export class OperationEnded {
  @Id() operationId!: string;
  @Optional() @Count(1) attempt?: number;
  @Optional() @Nested(OperationResult) result?: OperationResult;
  /** Stable, for programs. */
  @Optional() @IsString() @Length(1, 100) code?: string;
  /** For people: what happened, and what to do next. */
  @Optional() @IsString() @MaxLength(8192) reason?: string;
  /** What is left behind, a sentence each, without names of files. */
  @Optional() @List(10) @IsString({ each: true }) @MaxLength(500, { each: true }) left?: string[];
  /** Whether a process now stands started, after a start or a stop. */
  @Optional() @IsBoolean() running?: boolean;
}

/** A start or stop took effect after its operation had been ended by others. */
export class RuntimeChanged {
  @Id() operationId!: string;
  @IsBoolean() running!: boolean;
}

type RequestedTypes = { [K in OperationKind as `${K}-requested`]: OperationRequested };
type CancelRequestedTypes = { [K in OperationKind as `${K}-cancel-requested`]: CancelRequested };
type BeganTypes = { [K in OperationKind as `${K}-began`]: OperationBegan };
type EndedTypes = { [K in OperationKind as `${K}-${Outcome}`]: OperationEnded };

export interface ProjectEvents extends RequestedTypes, BeganTypes, CancelRequestedTypes, EndedTypes {
  created: ProjectCreated;
  recovered: ProjectRecovered;
  assigned: ProjectAssigned;
  updated: ProjectUpdated;
  'member-set': MemberSet;
  'member-removed': MemberRemoved;
  provisioned: ProjectProvisioned;
  changed: ProjectChanged;
  'freshness-changed': FreshnessChanged;
  'repository-initialised': RepositoryInitialised;
  'backup-recorded': BackupRecorded;
  'backup-deleted': BackupDeleted;
  'backup-accepted': BackupAccepted;
  'backup-found': BackupFound;
  'repository-damaged': RepositoryDamaged;
  'repository-mended': RepositoryMended;
  'backups-damaged': BackupsDamaged;
  'backups-healed': BackupsHealed;
  'claim-rejected': ClaimRejected;
  'runtime-changed': RuntimeChanged;
}

/** Every fact, by thing and type. */
export interface Events {
  region: { created: RegionCreated };
  bucket: { created: BucketCreated };
  host: { created: HostCreated; updated: HostUpdated };
  'api-key': { created: ApiKeyCreated; 'created-for-owner': ApiKeyCreatedForOwner; revoked: ApiKeyRevoked };
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
