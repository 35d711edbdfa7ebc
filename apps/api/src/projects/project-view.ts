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
  @ApiPropertyOptional({ format: 'date-time', description: 'When what is stated was stated' }) statedAt?: string;
  @ApiPropertyOptional({
    format: 'date-time',
    description:
      'When it was last certain, by the word of the scheduler and, for what is fresh or stale, of the host. What was not ' +
      'confirmed for longer than `BUCKETS_FRESHNESS_LIMIT` (a minute, unless set otherwise) is `unknown`, whatever was stated. ' +
      'Left out while nothing was confirmed since it was stated, or since the project was made',
  })
  confirmedAt?: string;
  @ApiPropertyOptional({
    description: 'False of what is fresh as of its host’s last look (`asOf`): nobody watches its files in between',
  })
  watched?: boolean;
  @ApiPropertyOptional({
    format: 'date-time',
    description:
      'Of what nobody watches: it was fresh then, or later. It is looked at every `BUCKETS_SCAN_INTERVAL` of its host, and ' +
      '`unknown` when it was not for three times as long',
  })
  asOf?: string;
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
  @ApiPropertyOptional({ description: 'Left out while a project that was found in its bucket is assigned to none' })
  hostId?: string;
  @Whole({
    description:
      'Names its assignment to its host, and is one higher with the next. Of a project that may have had data before, as one ' +
      'that was found in its bucket, the first is large and random: it is no count',
  })
  generation!: number;
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

export function projectView(
  row: ProjectRow,
  freshness: FreshnessView,
  texts: { title?: string; description?: string },
): ProjectView {
  return {
    id: row.id,
    ownerId: row.owner_id,
    ...texts,
    regionId: row.region_id,
    bucketId: row.bucket_id,
    ...(row.host_id === null ? {} : { hostId: row.host_id }),
    generation: row.generation,
    backupIntervalMinutes: row.backup_interval_minutes,
    ...(row.retention === null ? {} : { retention: row.retention }),
    provisioned: row.provisioned,
    running: row.running,
    freshness,
    ...(row.damage === null ? {} : { damage: row.damage }),
    createdAt: row.created_at,
    ...(row.provision_operation_id === null ? {} : { provisionOperationId: row.provision_operation_id }),
  };
}
