import type { ClassConstructor } from 'class-transformer';
import { IsIn, Matches } from 'class-validator';
import type { BackupRecord } from './backup.js';
import { checked, type Checked } from './check-data.js';
import type { DamagedObjects } from './damage.js';
import { ID_PATTERN } from './ids.js';
import { BackupId, BackupIds, Count, Generation, Id, List, Optional } from './shape.js';
import { OPERATION_KINDS, type OperationKind, type PartialReason } from './vocabulary.js';

/**
 * From a host to the control plane, on `buckets.ask.<hostId>.<name>`; JSON, answered with {@link Answer}. Never stored.
 * What every ask about an operation says; by itself it is asked again right before each step that cannot be undone, and
 * refused as `cancel-requested` once somebody has cancelled.
 */
export class ConfirmAsk {
  @Id() projectId!: string;
  @Generation() generation!: number;
  @Id() operationId!: string;
  /** Names one attempt: asking again with the same id does not count twice. */
  @Id() attemptId!: string;
}
export interface Confirmation {
  confirmed: true;
}

export class GrantAsk extends ConfirmAsk {
  @IsIn(OPERATION_KINDS) kind!: OperationKind;
  /** The run of the worker that asks. */
  @Id() workerId!: string;
  /** The class of the failure that ended this worker's attempt before. */
  @Optional() @Id() previousFailure?: string;
  /** The intent's position in the log: whoever decides must have read that far. */
  @Count() position!: number;
}

/** The control plane's yes to (host, project, generation, operation), with all that the attempt needs. */
export interface Grant {
  attempt: number;
  /** Somebody wants the operation to end: nothing is to be done but to claim so, and to tidy up. */
  cancelRequested: boolean;
  bucket: BucketAccess;
  repository: RepositoryAccess;
  /** For people's text in messages: 32 bytes, base64. */
  dataKey: string;
  /** What a start restores where data are missing, or what a restore was asked for. */
  restore?: BackupRecord;
  /** Of a start: there is no `restore` then, and nothing is restored where data are missing. */
  undecided?: RestoreChoices;
  /** The backup to compare a new one with: suddenly empty, or shrunken. */
  newestBackup?: BackupRecord;
  /** Of a tidying: the backups that a deletion may have removed. It says which of them are there. */
  inDoubt?: string[];
  /** Of what reads the repository: what is known to be damaged in it, and was not mended. */
  damage?: DamagedObjects;
  /**
   * The backups that are taken for damaged, the newest first, a thousand at most: of a backup and a verification all. Of a
   * restore its own, where that was known when it was asked for; so of a start, or all where there is none to restore.
   */
  damagedBackups?: string[];
  /** Whether the project ever had data: a start must not make an empty one of it in silence. */
  hadData: boolean;
  running: boolean;
  /** Where in the log the operation was first allowed to begin. */
  beganPosition?: number;
}

/** Somebody has to say which one is how the project is to be: the product does not pass over the newer one in silence. */
export interface RestoreChoices {
  /** The newest good one. */
  older: { backupId: string };
  /** The newest of all, which is suddenly empty or shrunken, or damaged. */
  newer: { backupId: string; partialBecause: PartialReason[]; damaged?: boolean };
}

export interface BucketAccess {
  endpoint: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface RepositoryAccess {
  /** Where in the bucket: `projects/<projectId>/`. */
  prefix: string;
  /** The id that the repository's config must have; absent before it was initialised. */
  configId?: string;
  masterKey: { mac: { k: string; r: string }; encrypt: string };
  recoveryPassword: string;
}

/** States that the repository exists. The answer names the config id that counts, whoever came first. */
export class RepositoryInitialisedAsk extends ConfirmAsk {
  @Matches(/^[0-9a-f]{64}$/) configId!: string;
}
export interface RepositoryInitialisedAnswer {
  configId: string;
}

/** Which of these snapshots are no backups of the project, as far as everything that was decided before the ask goes. */
export class UnknownBackupsAsk extends ConfirmAsk {
  @List(500) @BackupIds() backupIds!: string[];
  /** The operations that these snapshots name as their makers. Hosts of earlier versions say nothing of them. */
  @Optional() @List(500) @Matches(ID_PATTERN, { each: true }) operationIds?: string[];
}
export interface UnknownBackups {
  backupIds: string[];
  /** Operations of the project that have not ended: what one of them has made may become a backup yet. */
  openOperations: string[];
  /** Those of the operations asked about that the log knows as the project's, with their end as their host told it. */
  endedOperations?: string[];
}

/** The backups of the project, in the order of their ids, as far as everything that was decided before the ask goes. */
export class KnownBackupsAsk extends ConfirmAsk {
  /** Where the last page ended. */
  @Optional() @BackupId() after?: string;
}
export interface KnownBackups {
  /** 500 at most. */
  backupIds: string[];
  next?: string;
}

/** Which projects are this host's: what to watch, and what is its own no longer. */
export class AssignmentsAsk {
  /** Where the last page ended. */
  @Optional() @Id() after?: string;
}
export interface Assignment {
  projectId: string;
  generation: number;
  running: boolean;
  provisioned: boolean;
}
export interface Assignments {
  items: Assignment[];
  next?: string;
}

export interface Asks {
  grant: { ask: GrantAsk; answer: Grant };
  confirm: { ask: ConfirmAsk; answer: Confirmation };
  'repository-initialised': { ask: RepositoryInitialisedAsk; answer: RepositoryInitialisedAnswer };
  'unknown-backups': { ask: UnknownBackupsAsk; answer: UnknownBackups };
  'known-backups': { ask: KnownBackupsAsk; answer: KnownBackups };
  assignments: { ask: AssignmentsAsk; answer: Assignments };
}

const ASK_CLASSES: { [N in keyof Asks]: ClassConstructor<Asks[N]['ask']> } = {
  grant: GrantAsk,
  confirm: ConfirmAsk,
  'repository-initialised': RepositoryInitialisedAsk,
  'unknown-backups': UnknownBackupsAsk,
  'known-backups': KnownBackupsAsk,
  assignments: AssignmentsAsk,
};

/** Hosts are not trusted: whatever they ask is checked like a request from outside. */
export function readAsk<N extends keyof Asks>(name: N, body: unknown): Checked<Asks[N]['ask']> {
  return checked<Asks[N]['ask']>(ASK_CLASSES[name], body);
}

/** A refusal says whether asking again can help. */
export interface Refusal {
  code: string;
  detail: string;
  /** False: give up what was asked for. True: ask again later. */
  retry: boolean;
  /** The operation has ended already: there is nothing left to do. */
  ended?: boolean;
}

export type Answer<T> = { ok: T } | { refused: Refusal };
