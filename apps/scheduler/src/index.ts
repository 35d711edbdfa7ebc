import type { Projection } from '@buckets/log';
import { SchedulerProjection } from './tables/scheduler-projection.js';

/** All tables of the scheduler that are made from the log. */
export const projections: readonly Projection[] = [new SchedulerProjection()];

export { SchedulerModule } from './scheduler.module.js';
export { schedulerSettings, type SchedulerSettings } from './settings.js';
export { openSchedulerDatabase } from './tables/database.js';
export { BackupRow, OperationRow, ProjectRow } from './tables/rows.js';
