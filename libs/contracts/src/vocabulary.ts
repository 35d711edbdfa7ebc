/** What events are about. */
export const THINGS = ['region', 'bucket', 'host', 'project', 'api-key'] as const;
export type Thing = (typeof THINGS)[number];

/** The long-running pieces of work. Each has its own events: `backup-requested`, `backup-began`, `backup-succeeded`… */
export const OPERATION_KINDS = ['provision', 'backup', 'restore', 'start', 'stop', 'forget', 'tidy', 'verify'] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** How an operation ends: exactly once, in exactly one of these. */
export const OUTCOMES = ['succeeded', 'partial', 'failed', 'cancelled', 'expired'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const OPERATION_STATES = ['queued', 'running', ...OUTCOMES] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

export function isEnded(state: OperationState): state is Outcome {
  return state !== 'queued' && state !== 'running';
}

export const PHASES = [
  'waiting',
  'preparing',
  'initialising',
  'scanning',
  'uploading',
  'restoring',
  'verifying',
  'flushing',
  'switching',
  'hook',
  'finishing',
] as const;
export type Phase = (typeof PHASES)[number];

/** Messages to a host. Work goes in order per project; a cancel has a queue of its own. */
export const WORK_KINDS = OPERATION_KINDS;
export const INTENT_KINDS = [...OPERATION_KINDS, 'cancel'] as const;
export type IntentKind = (typeof INTENT_KINDS)[number];

/** Messages from a host that ask for a fact to be stated. */
export const CLAIM_TYPES = ['operation-ended', 'unreadable-intent'] as const;
export type ClaimType = (typeof CLAIM_TYPES)[number];

/** Requests from a host to the control plane. */
export const ASK_NAMES = [
  'grant',
  'confirm',
  'repository-initialised',
  'unknown-backups',
  'known-backups',
  'assignments',
] as const;
export type AskName = (typeof ASK_NAMES)[number];

/** Requests from the control plane to a host. */
export const REQUEST_NAMES = ['files', 'report'] as const;
export type RequestName = (typeof REQUEST_NAMES)[number];

/**
 * Whether the data root of a host is there. `missing`: it has no marker, as when its file system is not mounted; `foreign`: it
 * is another host's; `unreadable`: the disk does not say; `in-use`: another worker serves it; `opening`: it is there, and
 * what a crash has left in it is being put in order.
 */
export const DATA_ROOT_STATES = ['here', 'opening', 'missing', 'foreign', 'unreadable', 'in-use'] as const;
export type DataRootState = (typeof DATA_ROOT_STATES)[number];

/** Why a project's data cannot be used on its host, though they were once there. */
export const PROJECT_TROUBLES = [
  'data-root-missing',
  'data-root-foreign',
  'unreadable',
  'hidden',
  'unrecorded-data',
  'other-assignment',
  'data-missing',
] as const;
export type ProjectTrouble = (typeof PROJECT_TROUBLES)[number];

export type ActivityName = 'host' | 'project';

/** Whether a backup shows one moment of a project. */
export const CONSISTENCY_MODES = ['stopped', 'snapshot', 'live'] as const;
export type ConsistencyMode = (typeof CONSISTENCY_MODES)[number];

/**
 * Why a backup is partial. The first three lack some files at most; only such may be chosen by the product for a restore.
 * Of an `unwitnessed` one nobody knows whether it lacks any: the worker died before it could say so. Nor of one with
 * `unknown-warnings`: rustic said something that this version does not know.
 */
export const PARTIAL_REASONS = ['unreadable-files', 'unwitnessed', 'unknown-warnings', 'empty', 'shrunken'] as const;
export type PartialReason = (typeof PARTIAL_REASONS)[number];

/** Why a backup that was flagged as suddenly empty or shrunken counts as good: somebody said so, or it stayed like that. */
export const ACCEPTANCES = ['asked-for', 'stayed-small'] as const;
export type Acceptance = (typeof ACCEPTANCES)[number];

/** What the order of backups rests on that were found in a bucket: the log that was lost, or the clocks of hosts. */
export const RECOVERED_ORDERS = ['log', 'clock'] as const;
export type RecoveredOrder = (typeof RECOVERED_ORDERS)[number];

export const FRESHNESS_STATES = ['fresh', 'stale', 'never', 'unknown'] as const;
export type FreshnessState = (typeof FRESHNESS_STATES)[number];

export const ROOTS = ['project', 'persist'] as const;
export type Root = (typeof ROOTS)[number];

/** The only layout of a snapshot. */
export const LAYOUT = 'v2';

/** Who may call what. Permissions default to none; `admin` holds them all. */
export const SCOPES = [
  'admin',
  'regions:read',
  'regions:write',
  'hosts:read',
  'hosts:write',
  'projects:read',
  'projects:write',
  'backups:read',
  'backups:write',
  'files:read',
  'files:write',
  'operations:read',
  'operations:write',
  'dead-letters:read',
  'dead-letters:write',
  'api-keys:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/** What somebody may do with a project, the least first: each may also do what those before it may. */
export const PROJECT_ROLES = ['viewer', 'collaborator', 'owner'] as const;
export type ProjectRole = (typeof PROJECT_ROLES)[number];
