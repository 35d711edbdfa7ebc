export { type BegunBackup, ChangeTracker, type ChangeTrackerOptions, ProjectNotTracked } from './change-tracker.js';
export { type ChangeReport, type Counter, covers, equalCounters, type FirstChange, staleSince } from './covers.js';
export { WatchLimitReached } from './folder-watches.js';
export { ScanFailed } from './scan-tree.js';
