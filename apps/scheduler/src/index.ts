import type { Projection } from '@buckets/log';
import { SchedulerProjection } from './tables/scheduler-projection.js';

/** All tables of the scheduler that are made from the log. */
export const projections: readonly Projection[] = [new SchedulerProjection()];

export { DueTables } from './due/due-tables.js';
export { DueWork, type WorkOfKind } from './due/due-work.js';
export { SchedulerModule } from './scheduler.module.js';
export { schedulerSettings, type SchedulerSettings } from './settings.js';
export { openSchedulerDatabase } from './tables/database.js';
export { BackupRow, OperationRow, ProjectRow } from './tables/rows.js';
export { DUE_KINDS, type DueKind } from './when/due-moment.js';
