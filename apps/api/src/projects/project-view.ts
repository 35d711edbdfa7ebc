import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { FRESHNESS_STATES, MOST_KEPT, type FreshnessState, type Retention } from '@buckets/contracts';
import { WantedWhole, Whole } from '../http/described.js';
import { DamagedObjectsView } from '../operations/operation-view.js';
import type { ProjectRow } from '../tables/entities.js';

export class FreshnessView {
  @ApiProperty({ enum: FRESHNESS_STATES }) freshness!: FreshnessState;
  @ApiPropertyOptional({ format: 'date-time', description: 'Since when there are changes that no backup covers' })
  staleSince?: string;
  @ApiProperty({ description: 'For people' }) reason!: string;
  @ApiPropertyOptional({ description: 'The backup that covers everything' }) coveredBy?: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'When this was stated' }) statedAt?: string;
}

const Kept = (description: string) => WantedWhole({ minimum: 1, maximum: MOST_KEPT, description });

export class RetentionView implements Retention {
  @Kept('The newest so many') last?: number;
  @Kept('The newest of each of the newest so many days that have one; in UTC') daily?: number;
  @Kept('The same of weeks, which begin on Monday') weekly?: number;
  @Kept('The same of months') monthly?: number;
}

export class DamageView extends DamagedObjectsView {
  @ApiProperty({ description: 'The operation that has found it' }) operationId!: string;
  @ApiProperty({ format: 'date-time' }) at!: string;
}

export class ProjectView {
  @ApiProperty() id!: string;
  @ApiProperty() ownerId!: string;
  @ApiPropertyOptional() title?: string;
  @ApiPropertyOptional() description?: string;
  @ApiProperty({ description: 'The region of its backups' }) regionId!: string;
  @ApiProperty() bucketId!: string;
  @ApiProperty() hostId!: string;
  @Whole({ description: 'Grows by one each time the project gets another host' }) generation!: number;
  @Whole() backupIntervalMinutes!: number;
  @ApiPropertyOptional({ type: RetentionView, description: 'Which backups are kept; all where it is left out' })
  retention?: RetentionView;
  @ApiProperty({ description: 'Whether its data are on its host' }) provisioned!: boolean;
  @ApiProperty() running!: boolean;
  @ApiProperty({ type: FreshnessView }) freshness!: FreshnessView;
  @ApiPropertyOptional({
    type: DamageView,
    description: 'What is known to be damaged in its repository, until the next backup has mended it',
  })
  damage?: DamageView;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiPropertyOptional({ description: 'The operation that makes its folders' }) provisionOperationId?: string;
}

export function freshnessView(row: ProjectRow): FreshnessView {
  return {
    freshness: row.freshness,
    ...(row.stale_since === null ? {} : { staleSince: row.stale_since }),
    reason: row.freshness_reason,
    ...(row.covered_by === null ? {} : { coveredBy: row.covered_by }),
    ...(row.freshness_at === null ? {} : { statedAt: row.freshness_at }),
  };
}

export function projectView(row: ProjectRow, texts: { title?: string; description?: string }): ProjectView {
  return {
    id: row.id,
    ownerId: row.owner_id,
    ...texts,
    regionId: row.region_id,
    bucketId: row.bucket_id,
    hostId: row.host_id,
    generation: row.generation,
    backupIntervalMinutes: row.backup_interval_minutes,
    ...(row.retention === null ? {} : { retention: row.retention }),
    provisioned: row.provisioned,
    running: row.running,
    freshness: freshnessView(row),
    ...(row.damage === null ? {} : { damage: row.damage }),
    createdAt: row.created_at,
    ...(row.provision_operation_id === null ? {} : { provisionOperationId: row.provision_operation_id }),
  };
}
