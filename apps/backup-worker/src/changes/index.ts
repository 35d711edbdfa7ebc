export { type BegunBackup, ChangeTracker, type ChangeTrackerOptions, ProjectNotTracked } from './change-tracker.js';
export { WatchLimitReached } from './folder-watches.js';
export { ScanFailed } from './scan-tree.js';
