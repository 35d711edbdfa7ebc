import { openDatabase as open } from '@buckets/log/open-database';
import { BucketCredentialsRow, CreateVault1760000000000, ProjectKeysRow } from '@buckets/vault';
import type { DataSource } from 'typeorm';
import { API_ENTITIES, RequestKeyRow } from '../tables/entities.js';
import { AddDamage1764300230000 } from '../tables/add-damage.migration.js';
import { AddKeyMakers1764800000000 } from '../tables/add-key-makers.migration.js';
import { AddLimitsAndCancel1764000000000 } from '../tables/add-limits-and-cancel.migration.js';
import { AddOwners1764600000000 } from '../tables/add-owners.migration.js';
import { AddRetention1764100000000 } from '../tables/add-retention.migration.js';
import { AddUnwatched1764300000000 } from '../tables/add-unwatched.migration.js';
import { BackupPlaces1764900000000 } from '../tables/backup-places.migration.js';
import { BoundedStates1764650000000 } from '../tables/bounded-states.migration.js';
import { ChoicesByTheLog1764200000000 } from '../tables/choices-by-the-log.migration.js';
import { CreateRequestKeys1763900000000 } from '../tables/create-request-keys.migration.js';
import { CreateTables1763800000000 } from '../tables/create-tables.migration.js';
import { IndexDamage1764500000000 } from '../tables/index-damage.migration.js';
import { ListsByIndex1764700000000 } from '../tables/lists-by-index.migration.js';
import { ProjectsWithoutHost1764400000000 } from '../tables/projects-without-host.migration.js';

/** In the order in which they run, which is that of their numbers. */
export const API_MIGRATIONS = [
  CreateVault1760000000000,
  CreateTables1763800000000,
  CreateRequestKeys1763900000000,
  AddLimitsAndCancel1764000000000,
  AddRetention1764100000000,
  ChoicesByTheLog1764200000000,
  AddUnwatched1764300000000,
  AddDamage1764300230000,
  ProjectsWithoutHost1764400000000,
  IndexDamage1764500000000,
  AddOwners1764600000000,
  BoundedStates1764650000000,
  ListsByIndex1764700000000,
  AddKeyMakers1764800000000,
  BackupPlaces1764900000000,
] as const;

/** Connects, and brings the schemas `api` and `vault` up to date. `patient` for work without time limits. */
export async function openDatabase(
  url: string,
  connections: number,
  { name = 'buckets-api', patient = false }: { name?: string; patient?: boolean } = {},
): Promise<DataSource> {
  return open({
    url,
    name,
    connections,
    patient,
    entities: [...API_ENTITIES, RequestKeyRow, ProjectKeysRow, BucketCredentialsRow],
    migrations: [...API_MIGRATIONS],
    migrationsTableName: 'buckets_api_migrations',
    migrationLock: 7_240_113,
  });
}
