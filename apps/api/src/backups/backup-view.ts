import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ACCEPTANCES,
  CONSISTENCY_MODES,
  PARTIAL_REASONS,
  RECOVERED_ORDERS,
  type Acceptance,
  type ConsistencyMode,
  type PartialReason,
  type RecoveredOrder,
} from '@buckets/contracts';
import type { ProjectKeys } from '../keys/project-keys.js';
import { OptionalWhole, Whole } from '../http/described.js';
import { FileProblemsView, openProblems } from '../operations/operation-view.js';
import type { BackupRow } from '../tables/entities.js';

export class CounterView {
  @Whole({ description: 'Of the project when it was made' }) generation!: number;
  @ApiProperty() epoch!: string;
  @Whole() n!: number;
}

export class ConsistencyView {
  @ApiProperty({ enum: CONSISTENCY_MODES }) mode!: ConsistencyMode;
  @ApiProperty({ description: 'Whether the project may have changed while the backup read' })
  movedWhileReading!: boolean;
}

export class WarningsView {
  @Whole() total!: number;
  @ApiProperty({ type: String, isArray: true, description: 'The first hundred at most' }) first!: string[];
}

export class AcceptedView {
  @ApiProperty({ format: 'date-time' }) at!: string;
  @ApiProperty({ enum: ACCEPTANCES, description: 'Somebody asked for it, or the project has stayed so small' })
  because!: Acceptance;
  @ApiPropertyOptional({ description: 'Who asked for it' }) by?: string;
}

export class RecoveredView {
  @ApiProperty() bucketId!: string;
  @ApiProperty({
    enum: RECOVERED_ORDERS,
    description: 'What its place among the others rests on: the log that was lost, or the clock of its host',
  })
  orderedBy!: RecoveredOrder;
  @OptionalWhole({ description: 'Where in the lost log it was allowed to begin' }) beganPosition?: number;
}

export class BackupView {
  @ApiProperty({ description: "The snapshot's id, which plain rustic and restic know too" }) id!: string;
  @ApiProperty() projectId!: string;
  @ApiProperty() hostId!: string;
  @ApiProperty() operationId!: string;
  @ApiProperty({
    format: 'date-time',
    description: 'A backup is as fresh as the moment it began reading; by the clock of its host',
  })
  beganAt!: string;
  @Whole({
    description:
      'Where in the log it was allowed to begin: the newest backup is the one with the greatest. 0: not known',
  })
  beganPosition!: number;
  @ApiProperty({ format: 'date-time' }) endedAt!: string;
  @ApiProperty({ enum: ['succeeded', 'partial'] }) outcome!: 'succeeded' | 'partial';
  @ApiProperty({ enum: PARTIAL_REASONS, isArray: true }) partialBecause!: PartialReason[];
  @ApiProperty({ type: FileProblemsView, description: 'What could not be read, or not whole' })
  unreadable!: FileProblemsView;
  @ApiProperty({ type: FileProblemsView, description: 'What was removed while the backup read: no loss' })
  vanished!: FileProblemsView;
  @ApiProperty({ type: WarningsView, description: 'What was said that names no file, word for word' })
  warnings!: WarningsView;
  @ApiPropertyOptional({
    type: FileProblemsView,
    description:
      'Files that grew or were cut while they were read: the backup holds what was read, and a restore gives that back',
  })
  changedWhileRead?: FileProblemsView;
  @ApiPropertyOptional({
    type: AcceptedView,
    description: 'Although it is suddenly empty or shrunken, it is how the project is now: it counts as good',
  })
  accepted?: AcceptedView;
  @ApiPropertyOptional({
    description: 'True where a deletion may have removed it: until it has been looked for, it counts as no good backup',
  })
  inDoubt?: boolean;
  @ApiPropertyOptional({
    type: RecoveredView,
    description:
      'It was found in its bucket after the log was lost: all that is said of it is what its snapshot says of itself',
  })
  recovered?: RecoveredView;
  @ApiPropertyOptional({
    description: 'True where something of it is lost: it counts as no good backup until it is whole again',
  })
  damaged?: boolean;
  @ApiProperty({ type: ConsistencyView }) consistency!: ConsistencyView;
  @ApiProperty({ type: CounterView }) counter!: CounterView;
  @Whole() files!: number;
  @Whole() folders!: number;
  @Whole({ description: 'Bytes of all files' }) bytes!: number;
  @Whole({ description: 'Bytes that were new to the repository' }) bytesAdded!: number;
  @Whole({ description: 'What they take after compression' }) bytesStored!: number;
  @Whole() filesNew!: number;
  @Whole() filesChanged!: number;
  @ApiPropertyOptional() parentId?: string;
  @ApiPropertyOptional({
    description:
      'Whether what read the files could see nothing else of its host, so that no link could bring in what belongs to others',
  })
  confined?: boolean;
}

const NONE = { total: 0, first: [] };

export async function backupView(
  { project_id, record, began_position, accepted, maybe_deleted_by, damaged_position }: BackupRow,
  keys: ProjectKeys,
): Promise<BackupView> {
  const { backupId, partialBecause, unreadable, vanished = NONE, warnings = NONE, changedWhileRead, ...more } = record;
  // For the next backup alone.
  const { settledBefore: _, ...rest } = more;
  return {
    id: backupId,
    projectId: project_id,
    ...rest,
    beganPosition: began_position,
    ...(accepted === null ? {} : { accepted }),
    ...(maybe_deleted_by !== null ? { inDoubt: true } : {}),
    ...(damaged_position !== null ? { damaged: true } : {}),
    outcome: partialBecause.length === 0 ? 'succeeded' : 'partial',
    partialBecause,
    unreadable: await openProblems(unreadable, project_id, keys),
    vanished: await openProblems(vanished, project_id, keys),
    warnings: {
      total: warnings.total,
      first: await Promise.all(warnings.first.map((text) => keys.open({ projectId: project_id, field: 'path' }, text))),
    },
    ...(changedWhileRead === undefined
      ? {}
      : { changedWhileRead: await openProblems(changedWhileRead, project_id, keys) }),
  };
}
