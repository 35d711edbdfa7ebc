export type { LocalAccess, RepositoryAccess, S3Access } from './access.js';
export type {
  BackupMade,
  BackupOrder,
  BackupOutcome,
  BackupPartial,
  BackupSucceeded,
  BackupSummary,
} from './backup.js';
export { SNAPSHOT_LABEL } from './backup.js';
export { joined, type BoundedList } from './bounded-list.js';
export type { CheckDamaged, CheckOrder, CheckOutcome, CheckSound } from './check.js';
export { Confinement } from './confinement.js';
export type { RusticLimits } from './environment.js';
export { FAILURES, RusticFailure, type Failure, type FailureClass } from './failure.js';
export type { NewRepository } from './new-repository.js';
export { RusticStopped, type Failed, type Stopped } from './outcome.js';
export type { OnProgress, RusticProgress } from './progress.js';
export type { PruneOrder, PruneReport } from './prune.js';
export type { RestoreOutcome, RestorePartial, RestoreProblem, RestoreSucceeded } from './restore.js';
export { Rustic } from './rustic.js';
export type { Call, RusticSettings } from './runs.js';
export type { Snapshot } from './snapshots.js';
export type { UnreadableFile } from './unreadable-file.js';
