import { openDatabase, type DatabaseOptions } from '@buckets/log/open-database';
import type { DataSource } from 'typeorm';
import { AddDamage1795700230000 } from './add-damage.migration.js';
import { AddHeldUntil1795950000000 } from './add-held-until.migration.js';
import { AddLastVerification1795900000000 } from './add-last-verification.migration.js';
import { CreateTables1763820000000 } from './create-tables.migration.js';
import { AddRetention1795500000000 } from './add-retention.migration.js';
import { AddUnwatched1795700000000 } from './add-unwatched.migration.js';
import { BoundedLists1796100000000 } from './bounded-lists.migration.js';
import { ChoicesByTheLog1795600000000 } from './choices-by-the-log.migration.js';
import { DueWorkAnew1796300000000 } from './due-work-anew.migration.js';
import { DueWork1796200000000 } from './due-work.migration.js';
import { ProjectsWithoutHost1795800000000 } from './projects-without-host.migration.js';
import { LimitsAndOrphans1795400000000 } from './limits-and-orphans.migration.js';
import { SCHEDULER_ENTITIES } from './rows.js';

export const SCHEDULER_MIGRATIONS = [
  CreateTables1763820000000,
  LimitsAndOrphans1795400000000,
  AddRetention1795500000000,
  ChoicesByTheLog1795600000000,
  AddUnwatched1795700000000,
  AddDamage1795700230000,
  ProjectsWithoutHost1795800000000,
  AddLastVerification1795900000000,
  AddHeldUntil1795950000000,
  BoundedLists1796100000000,
  DueWork1796200000000,
  DueWorkAnew1796300000000,
] as const;

/** Connects, and brings the schema `scheduler` up to date. */
export function openSchedulerDatabase(
  options: Pick<DatabaseOptions, 'url' | 'connections' | 'patient'>,
): Promise<DataSource> {
  return openDatabase({
    ...options,
    name: 'buckets-scheduler',
    entities: [...SCHEDULER_ENTITIES],
    migrations: [...SCHEDULER_MIGRATIONS],
    migrationsTableName: 'buckets_scheduler_migrations',
    migrationLock: 7_240_114,
  });
}
