export { Disk } from './disk.js';
export type { StepHook } from './disk.js';
export * from './errors.js';
export { shownBytes } from './findings.js';
export type { Finding, FindingKind } from './findings.js';
export { flushFileSystem } from './flush.js';
export { HostFolders, ROOT_NAMES } from './host-folders.js';
export type { RootName } from './host-folders.js';
export type { Inspection } from './inspection.js';
export { ProjectRestore, rootsToRestore } from './project-restore.js';
export type {
  RestorableBackup,
  RestoreLimits,
  RestoreOrder,
  RestorePhase,
  RestoreWarnings,
} from './project-restore.js';
export type { ProvisionedRecord } from './provisioned-record.js';
export { ProvisionedRecords } from './provisioned-records.js';
export type { NewRoots } from './provisioned-records.js';
export type { RestoreResult } from './restore-result.js';
export type { RootIdentity } from './roots.js';
export type { EntryType, SnapshotEntry, Xattr } from './snapshot-entry.js';
export { Staging } from './staging.js';
export type { SpaceNeed, StagingOptions } from './staging.js';
export { Swap } from './swap.js';
export type { FinishedSwap, RollForward, SwapRequest } from './swap.js';
export { Trash } from './trash.js';
export type { TrashOptions } from './trash.js';
export { checkTree, toleratedFindings } from './tree-check.js';
export type { CheckOptions, CheckReport } from './tree-check.js';
