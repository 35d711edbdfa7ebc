import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  DAMAGES,
  DEFAULT_LIMITS,
  isEnded,
  OPERATION_KINDS,
  OPERATION_STATES,
  OTHER_BACKUPS,
  PHASES,
  REPOSITORY_OBJECTS,
  ROOTS,
  type Damage,
  type FileProblems,
  type HookResult,
  type OperationKind,
  type OperationResult,
  type OperationState,
  type OtherBackups,
  type Phase,
  type Progress,
  type RepositoryObject,
  type Root,
} from '@buckets/contracts';
import { OptionalWhole, Whole } from '../http/described.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import type { OperationRow } from '../tables/entities.js';
import { LimitsView } from '../project-decisions/limits.js';

export class FileProblemView {
  @ApiProperty() path!: string;
  @ApiProperty() reason!: string;
}

export class FileProblemsView {
  @Whole() total!: number;
  @ApiProperty({ type: [FileProblemView], description: 'The first hundred' }) first!: FileProblemView[];
}

export class RestoreResultView {
  @ApiProperty({ description: 'The backup that was applied' }) backupId!: string;
  @ApiProperty({ format: 'date-time' }) backupBeganAt!: string;
  @ApiProperty({ enum: ROOTS, isArray: true }) roots!: Root[];
  @Whole({ description: 'All that is no folder' }) files!: number;
  @OptionalWhole({
    description: 'The two roots included; of a restore of an earlier version they are counted as files',
  })
  folders?: number;
  @Whole() bytes!: number;
  @ApiPropertyOptional({
    format: 'date-time',
    description:
      'Since when the project was known to have changes that no backup holds: they are not in what was restored. ' +
      'Absent: none were known',
  })
  changesLostSince?: string;
  @ApiProperty({ type: FileProblemsView, description: 'What could not be restored as it was' })
  problems!: FileProblemsView;
  @ApiProperty({ type: FileProblemsView, description: 'What the backup itself lacks' }) lacks!: FileProblemsView;
}

export class HookResultView {
  @Whole() exitCode!: number;
  @ApiProperty({ description: 'The end of what the command printed' }) output!: string;
}

export class OrphanView {
  @ApiProperty({ description: "The snapshot's id" }) backupId!: string;
  @ApiProperty({ format: 'date-time', description: "When it was made, by its host's clock" }) at!: string;
  @ApiPropertyOptional({ description: 'The operation that made it, if it says so' }) operationId?: string;
  @ApiProperty() removed!: boolean;
}

export class OrphansView {
  @Whole() total!: number;
  @Whole() removed!: number;
  @ApiProperty({ type: [OrphanView], description: 'The oldest hundred' }) first!: OrphanView[];
  @OptionalWhole({
    description: 'How many call themselves backups of operations that the log does not know: they are never removed',
  })
  unexplained?: number;
}

export class BackupsLookedForView {
  @ApiProperty({ type: [String], description: 'Those that are in the repository' }) there!: string[];
  @ApiProperty({ type: [String] }) gone!: string[];
}

export class DamagedObjectView {
  @ApiProperty({ enum: REPOSITORY_OBJECTS }) kind!: RepositoryObject;
  @ApiPropertyOptional({ description: 'Its name in the repository, where it has one that is known' }) id?: string;
  @ApiProperty({ enum: DAMAGES }) damage!: Damage;
}

export class DamagedObjectsView {
  @Whole() total!: number;
  @ApiProperty({ type: [DamagedObjectView], description: 'The first 200 at most' }) first!: DamagedObjectView[];
}

export class RepositoryFindingsView extends DamagedObjectsView {
  @ApiProperty({ type: [String], description: 'Backups of which something is lost, 200 at most' }) damaged!: string[];
  @ApiProperty({ type: [String], description: 'Backups that were taken for damaged, and of which nothing is lost' })
  whole!: string[];
  @ApiProperty({ enum: OTHER_BACKUPS, description: 'What is so of all others; `unknown`: as before' })
  others!: OtherBackups;
  @ApiProperty({ description: 'Whether these objects are all that is damaged, as far as is known' }) settled!: boolean;
  @Whole({ description: 'Packs that the index names' }) packs!: number;
  @Whole({ description: 'Packs that were read and proven' }) packsRead!: number;
  @Whole() bytes!: number;
  @Whole() bytesRead!: number;
}

export class OperationResultView {
  @ApiPropertyOptional({ description: 'The backup that was made' }) backupId?: string;
  @ApiPropertyOptional({ type: RestoreResultView }) restore?: RestoreResultView;
  @ApiPropertyOptional({ type: HookResultView }) hook?: HookResultView;
  @ApiPropertyOptional({
    type: HookResultView,
    description: "The operator's command after a backup, where it has failed. The backup stands all the same",
  })
  afterCommand?: HookResultView;
  @ApiPropertyOptional({ enum: ROOTS, isArray: true, description: 'Made empty' }) createdRoots?: Root[];
  @ApiPropertyOptional({
    description: 'True of a start that named a backup and restored none, as the data of the project were there',
  })
  dataWereThere?: boolean;
  @ApiPropertyOptional({ type: OrphansView, description: 'Snapshots that are no backups' }) orphans?: OrphansView;
  @ApiPropertyOptional({ type: BackupsLookedForView, description: 'Backups that a deletion may have removed' })
  lookedFor?: BackupsLookedForView;
  @ApiPropertyOptional({ type: RepositoryFindingsView, description: 'What was found in the repository' })
  repository?: RepositoryFindingsView;
}

export class ProgressView {
  @ApiProperty({ enum: PHASES }) phase!: Phase;
  @Whole() attempt!: number;
  @Whole() bytesDone!: number;
  @OptionalWhole() bytesTotal?: number;
  @OptionalWhole() filesDone?: number;
  @OptionalWhole() filesTotal?: number;
  @OptionalWhole({ description: 'Bytes per second' }) rate?: number;
  @OptionalWhole() secondsRemaining?: number;
  @Whole({ description: 'Milliseconds since 1970' }) at!: number;
}

export class OperationView {
  @ApiProperty() id!: string;
  @ApiProperty({ enum: OPERATION_KINDS }) kind!: OperationKind;
  @ApiProperty({ enum: OPERATION_STATES }) state!: OperationState;
  @ApiProperty() projectId!: string;
  @ApiProperty() hostId!: string;
  @ApiProperty({ type: LimitsView, description: 'How long it may take' }) limits!: LimitsView;
  @Whole() attempts!: number;
  @ApiPropertyOptional({ description: 'The run of the worker that makes, or made, its latest attempt' })
  workerId?: string;
  @ApiPropertyOptional({ description: 'Why the attempt before the latest one has failed: stable, for programs' })
  previousFailure?: string;
  @ApiProperty() requestedBy!: string;
  @ApiProperty({ format: 'date-time' }) requestedAt!: string;
  @ApiPropertyOptional({ format: 'date-time' }) beganAt?: string;
  @ApiPropertyOptional({ format: 'date-time' }) endedAt?: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'When somebody first asked for its end' })
  cancelRequestedAt?: string;
  @ApiPropertyOptional({ description: 'True where a cancel was asked for, and it has ended otherwise' })
  cancelTooLate?: boolean;
  @ApiProperty({ type: 'object', additionalProperties: true }) params!: Record<string, unknown>;
  @ApiPropertyOptional({ type: OperationResultView }) result?: OperationResultView;
  @ApiPropertyOptional({ description: 'Why it did not succeed: stable, for programs. Absent where it did' })
  code?: string;
  @ApiPropertyOptional({ description: 'Why it did not succeed, and what to do next. Absent where it did' })
  reason?: string;
  @ApiPropertyOptional({ type: String, isArray: true, description: 'What it has left behind, a sentence each' })
  left?: string[];
  @ApiPropertyOptional({
    description:
      'Why its host does not begin with it, where that is known to be the host’s trouble: it is silent, or its data root is away',
  })
  waitsFor?: string;
  @ApiPropertyOptional({ type: ProgressView, description: 'The latest that is known while it runs' })
  progress?: ProgressView;
}

/** Opens what is sealed. */
export async function operationView(row: OperationRow, keys: ProjectKeys, progress?: Progress): Promise<OperationView> {
  const projectId = row.project_id;
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    projectId,
    hostId: row.host_id,
    limits: row.limits ?? DEFAULT_LIMITS[row.kind],
    attempts: row.attempts,
    ...(row.worker_id === null ? {} : { workerId: row.worker_id }),
    ...(row.previous_failure === null ? {} : { previousFailure: row.previous_failure }),
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    ...(row.began_at === null ? {} : { beganAt: row.began_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    ...(row.cancel_requested_at === null ? {} : { cancelRequestedAt: row.cancel_requested_at }),
    ...(cameTooLate(row) ? { cancelTooLate: true } : {}),
    params: row.params,
    ...(row.result === null ? {} : { result: await opened(row.result, projectId, keys) }),
    ...codeOf(row),
    ...(row.reason === null ? {} : { reason: await keys.open({ projectId, field: 'reason' }, row.reason) }),
    ...(row.left_behind === null ? {} : { left: row.left_behind }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** A host need not say why it has ended what it was told to end. */
function codeOf({ code, state }: OperationRow): { code?: string } {
  if (code !== null) return { code };
  return state === 'cancelled' ? { code: 'cancelled' } : {};
}

function cameTooLate({ cancel_requested_at, state }: OperationRow): boolean {
  return cancel_requested_at !== null && isEnded(state) && state !== 'cancelled';
}

async function opened(result: OperationResult, projectId: string, keys: ProjectKeys): Promise<OperationResultView> {
  const { restore, hook, afterCommand } = result;
  const printed = async (command: HookResult): Promise<HookResultView> => ({
    ...command,
    output: await keys.open({ projectId, field: 'output' }, command.output),
  });
  return {
    ...result,
    ...(restore === undefined
      ? {}
      : {
          restore: {
            ...restore,
            problems: await openProblems(restore.problems, projectId, keys),
            lacks: await openProblems(restore.lacks, projectId, keys),
          },
        }),
    ...(hook === undefined ? {} : { hook: await printed(hook) }),
    ...(afterCommand === undefined ? {} : { afterCommand: await printed(afterCommand) }),
  } as OperationResultView;
}

/** The names of files are people's text. */
export async function openProblems(
  problems: FileProblems,
  projectId: string,
  keys: ProjectKeys,
): Promise<FileProblemsView> {
  const open = async ({ path, reason }: FileProblems['first'][number]) => ({
    path: await keys.open({ projectId, field: 'path' }, path),
    reason: await keys.open({ projectId, field: 'path' }, reason),
  });
  return { total: problems.total, first: await Promise.all(problems.first.map(open)) };
}
