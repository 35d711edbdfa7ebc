import { applyDecorators, Body, Controller, Get, HttpCode, Inject, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInstance,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import type { Response } from 'express';
import { BACKUP_ID_PATTERN, ID_PATTERN, LONGEST_LIMIT_SECONDS, USER_ID_PATTERN } from '@buckets/contracts';
import { Removable } from '@buckets/service';
import { DataSource } from 'typeorm';
import { Needs, OWN, ofProject, SERVICES, type Access } from '../access/access.js';
import { Admission, type AdmittedProject } from '../access/admission.js';
import { OfProject } from '../access/admitted.js';
import { CurrentCaller, type Caller } from '../access/caller.js';
import { Owners } from '../access/owners.js';
import { visibleTo } from '../access/visible.js';
import { ApiProblems } from '../http/api-problem.js';
import { Begins, Creates, Does, NotBlank, WantedWhole } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { HostFiles } from '../live-files/host-files.js';
import { PROJECT_KEYS, type ProjectKeys } from '../keys/project-keys.js';
import { WithLimits } from '../project-decisions/limits.js';
import { OperationView } from '../operations/operation-view.js';
import { Operations } from '../operations/operations.js';
import { mustLookLike } from '../problems/invalid-id.js';
import { ProjectRow } from '../tables/entities.js';
import { ConfirmedFreshness } from './confirmed-freshness.js';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import { openTexts } from './project-texts.js';
import { FreshnessView, ProjectView, projectView, RetentionView } from './project-view.js';

const MAX_INTERVAL_MINUTES = 525_600;
/** A day. */
const GRACE_SECONDS = 86_400;

const RetentionWanted = (description: string) =>
  applyDecorators(
    ApiPropertyOptional({ type: RetentionView, description }),
    ValidateIf((_, value) => value !== undefined),
    ValidateNested(),
    IsInstance(RetentionView),
    Type(() => RetentionView),
  );

const RemovableText = () =>
  applyDecorators(
    ApiPropertyOptional({ type: String, nullable: true, description: 'Null takes it away' }),
    IsOptional(),
    Removable(),
  );

const OwnerId = (description: string) =>
  applyDecorators(
    ApiPropertyOptional({ pattern: USER_ID_PATTERN.source, description }),
    IsOptional(),
    Matches(USER_ID_PATTERN, mustLookLike(USER_ID_PATTERN)),
  );

export class CreateProject {
  @ApiPropertyOptional({ pattern: ID_PATTERN.source, description: "The platform's own name for it" })
  @IsOptional()
  @Matches(ID_PATTERN)
  id?: string;

  @ApiProperty() @Matches(ID_PATTERN) hostId!: string;

  @ApiPropertyOptional({ description: "Where its backups go; without it, the first bucket of the host's region" })
  @IsOptional()
  @Matches(ID_PATTERN)
  bucketId?: string;

  @OwnerId('Whose it is: an opaque id, no name and no address. Without it, whoever asks') ownerId?: string;
  @ApiPropertyOptional() @IsOptional() @IsString() @Length(1, 500) @NotBlank() title?: string;
  @ApiPropertyOptional() @IsOptional() @IsString() @MaxLength(10_000) description?: string;

  @WantedWhole({ minimum: 1, maximum: MAX_INTERVAL_MINUTES, default: 60 })
  backupIntervalMinutes?: number;

  @RetentionWanted('Which backups are kept; all where it is left out') retention?: RetentionView;

  @ApiPropertyOptional({ description: 'Take what already stands in the folders on the host as its data' })
  @IsOptional()
  @IsBoolean()
  adopt?: boolean;
}

export class UpdateProject {
  @OwnerId('Whose it is from now on. Who was its owner by this alone has no role in it any more') ownerId?: string;
  @RemovableText() @IsString() @Length(1, 500) @NotBlank() title?: string | null;
  @RemovableText() @IsString() @MaxLength(10_000) description?: string | null;
  @WantedWhole({ minimum: 1, maximum: MAX_INTERVAL_MINUTES })
  backupIntervalMinutes?: number;

  @RetentionWanted('Which backups are kept; all with an empty object') retention?: RetentionView;
}

export class StartProject extends WithLimits {
  @ApiPropertyOptional({
    description: 'Start with empty folders where the data are lost and no backup can be restored',
  })
  @IsOptional()
  @IsBoolean()
  allowEmpty?: boolean;

  @ApiPropertyOptional({
    pattern: BACKUP_ID_PATTERN.source,
    description:
      'The backup to restore where the data are missing; without it the newest good one. Where they are there, nothing is ' +
      'restored, and the result says so by `dataWereThere`: to replace them, restore the backup',
  })
  @IsOptional()
  @Matches(BACKUP_ID_PATTERN, mustLookLike(BACKUP_ID_PATTERN))
  backupId?: string;
}

export class AssignProject {
  @ApiProperty() @Matches(ID_PATTERN) hostId!: string;
  @ApiPropertyOptional({
    enum: ['made-elsewhere'],
    description:
      'That it is to be this host although another one made the newest backup: newer data that stand there cannot be ' +
      'adopted then',
  })
  @IsOptional()
  @IsIn(['made-elsewhere'])
  although?: 'made-elsewhere';
}

export class AdoptProject extends WithLimits {}

export class StopProject extends WithLimits {}

export class TidyProject extends WithLimits {
  @ApiPropertyOptional({ default: false, description: 'Also removes those that are older than the grace period' })
  @IsOptional()
  @IsBoolean()
  remove?: boolean;

  @WantedWhole({
    minimum: 0,
    maximum: LONGEST_LIMIT_SECONDS,
    default: GRACE_SECONDS,
    description: 'How old a snapshot has to be. A host may not have told of a young one yet that it is a backup',
  })
  graceSeconds?: number;
}

export class VerifyProject extends WithLimits {
  @ApiPropertyOptional({
    type: 'number',
    minimum: 0,
    maximum: 1,
    default: 0,
    description:
      'How much of the content is read and proven, at least. With 0, what is small is read, and what is large is looked ' +
      'for by name and size',
  })
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(1)
  readData?: number;
}

export class ReportChange {
  @ApiProperty({ example: 'agent-edit', description: 'What made the change' })
  @IsString()
  @Matches(ID_PATTERN)
  source!: string;
}

export class ProjectsQuery extends PageQuery {
  @ApiPropertyOptional() @IsOptional() @Matches(ID_PATTERN) hostId?: string;
  @ApiPropertyOptional() @IsOptional() @IsString() @Length(1, 200) ownerId?: string;
}

const SEE_WHAT_IS_MADE: Access = { scope: 'projects:write', within: ofProject('viewer') };

@ApiTags('projects')
@Controller('v1/projects')
export class ProjectsController {
  constructor(
    private readonly commands: ProjectCommands,
    private readonly operations: Operations,
    private readonly data: DataSource,
    private readonly freshnessNow: ConfirmedFreshness,
    private readonly files: HostFiles,
    private readonly owners: Owners,
    private readonly admission: Admission,
    @Inject(PROJECT_KEYS) private readonly keys: ProjectKeys,
  ) {}

  @Get()
  @Does('Lists projects, the oldest first')
  @Needs('projects:read', OWN)
  @ApiPage(ProjectView)
  @ApiProblems()
  async list(@Query() query: ProjectsQuery, @CurrentCaller() caller: Caller): Promise<Page<ProjectView>> {
    const { hostId, ownerId } = query;
    const freshnessOf = this.freshnessNow.view();
    const rows = this.data.getRepository(ProjectRow).createQueryBuilder('project').where('true');
    if (hostId !== undefined) rows.andWhere('project.host_id = :hostId', { hostId });
    if (ownerId !== undefined) rows.andWhere('project.owner_id = :ownerId', { ownerId });
    const page = await pageOf(visibleTo(caller, rows, 'id'), query, 'oldest-first');
    return { ...page, items: await Promise.all(page.items.map((row) => this.view(row, freshnessOf(row)))) };
  }

  @Get(':id')
  @Does('Shows a project')
  @Needs('projects:read', ofProject('viewer'))
  @ApiOkResponse({ type: ProjectView })
  @ApiProblems(404)
  async get(@OfProject() project: AdmittedProject): Promise<ProjectView> {
    const freshnessOf = this.freshnessNow.view();
    const row = await this.commands.existing(project);
    return this.view(row, freshnessOf(row));
  }

  @Post()
  @Does(
    'Makes a project',
    'Its folders are made on its host by the operation provisionOperationId. An API key of an owner makes projects of that ' +
      'owner, whose ids and buckets are not for it to choose, and which take no data that stand on a host already.',
  )
  @Needs('projects:write', SERVICES)
  @Creates(ProjectView)
  @ApiProblems(404, 409)
  async create(
    @Body() body: CreateProject,
    @CurrentCaller() caller: Caller,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ProjectView> {
    const project = await this.commands.create(this.owners.ofNew(body, caller), repetition, caller);
    // A request that comes again may find that the project is somebody else's by now.
    await this.admission.admit(caller, SEE_WHAT_IS_MADE, project.id);
    response.location(`/v1/projects/${project.id}`);
    return this.get(project);
  }

  @Patch(':id')
  @Does('Changes whose a project is, what it is called, and how often it is backed up')
  @Needs('projects:write', ofProject('owner'))
  @ApiOkResponse({ type: ProjectView })
  @ApiProblems(404)
  async update(
    @OfProject() project: AdmittedProject,
    @Body() body: UpdateProject,
    @CurrentCaller() caller: Caller,
  ): Promise<ProjectView> {
    if (body.ownerId !== undefined) this.owners.mustKnow(body.ownerId, caller);
    const { title, description, ...others } = body;
    const texts = { ...textIn('title', title), ...textIn('description', description) };
    await this.commands.update(project, { ...others, ...texts }, caller.name);
    return this.get(project);
  }

  @Post(':id/assign')
  @Does(
    'Gives a project a host that has none, as it was found in its bucket',
    'Nothing is written to the host. A start or a restore then brings a backup; what stands on the host from an earlier ' +
      'assignment is put aside by that, unless it was adopted before. Where another host made the newest backup, it is ' +
      'refused (`backups-of-another-host`) unless the request says so: an assignment cannot be taken back.',
  )
  @HttpCode(200)
  @Needs('projects:write', ofProject('fleet'))
  @ApiOkResponse({ type: ProjectView })
  @ApiProblems(404, 409)
  async assign(
    @OfProject() project: AdmittedProject,
    @Body() body: AssignProject,
    @Repetition() repetition: Repeatable,
  ): Promise<ProjectView> {
    await this.commands.assign(project, body, repetition);
    return this.get(project);
  }

  @Post(':id/adopt')
  @Does(
    'Takes what stands in the folders on its host as the data of a project that has none there',
    'Such as data of an earlier assignment, where they are newer than any backup.',
  )
  @Needs('projects:write', ofProject('fleet'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async adopt(
    @OfProject() project: AdmittedProject,
    @Body() { limits }: AdoptProject,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const wanted = { params: { adopt: true }, limits };
    return this.operations.accepted(await this.commands.request(project, 'provision', wanted, repetition), response);
  }

  @Post(':id/start')
  @Does(
    'Starts a project',
    'Where its data are missing on its host, the newest good backup is restored first. Where newer ones than that are ' +
      'suddenly empty or shrunken, and nobody has accepted them, the answer is 409 `newer-backups-are-flagged` with both ' +
      'choices, and the start has to name one as `backupId`; a start whose host finds out only later that the data are ' +
      'missing fails with that code.',
  )
  @Needs('projects:write', ofProject('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async start(
    @OfProject() project: AdmittedProject,
    @Body() body: StartProject,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const { limits, ...params } = body;
    const areDataMissing = (project: ProjectRow) => this.files.lacksRoots(project);
    const operationId = await this.commands.request(project, 'start', { params, limits, areDataMissing }, repetition);
    return this.operations.accepted(operationId, response);
  }

  @Post(':id/stop')
  @Does('Stops a project')
  @Needs('projects:write', ofProject('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async stop(
    @OfProject() project: AdmittedProject,
    @Body() { limits }: StopProject,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    return this.operations.accepted(await this.commands.request(project, 'stop', { limits }, repetition), response);
  }

  @Post(':id/tidy')
  @Does(
    'Looks for snapshots in the repository that are none of its backups',
    'A backup that was cut off, or whose host was overtaken, may leave one. They are listed by the result of the ' +
      'operation, the oldest hundred; nothing is removed unless asked for.',
  )
  @Needs('backups:write', ofProject('owner'))
  @Begins(OperationView)
  @ApiProblems(404, 409, 429)
  async tidy(
    @OfProject() project: AdmittedProject,
    @Body() { remove = false, graceSeconds = GRACE_SECONDS, limits }: TidyProject,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const wanted = { params: { remove, graceSeconds }, limits };
    return this.operations.accepted(await this.commands.request(project, 'tidy', wanted, repetition), response);
  }

  @Post(':id/verify')
  @Does(
    'Looks whether the repository holds what its backups need',
    'It succeeds where nothing is damaged. Otherwise it fails with `repository-damaged`, and its result names what is: the ' +
      'backups of which something is lost count as damaged, and the next backup mends what it can.',
  )
  @Needs('backups:write', ofProject('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409, 429)
  async verify(
    @OfProject() project: AdmittedProject,
    @Body() { readData = 0, limits }: VerifyProject,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const wanted = { params: { readData }, limits };
    return this.operations.accepted(await this.commands.request(project, 'verify', wanted, repetition), response);
  }

  @Post(':id/changes')
  @Does("Tells that a project's data may have changed in a way that its host cannot see")
  @HttpCode(200)
  @Needs('projects:write', ofProject('collaborator'))
  @ApiOkResponse({ type: FreshnessView })
  @ApiProblems(404)
  async change(@OfProject() project: AdmittedProject, @Body() { source }: ReportChange): Promise<FreshnessView> {
    await this.commands.reportChange(project, source);
    return this.freshness(project);
  }

  @Get(':id/freshness')
  @Does('Says whether backups hold all that the project holds')
  @Needs('projects:read', ofProject('viewer'))
  @ApiOkResponse({ type: FreshnessView })
  @ApiProblems(404)
  async freshness(@OfProject() project: AdmittedProject): Promise<FreshnessView> {
    const freshnessOf = this.freshnessNow.view();
    return freshnessOf(await this.commands.existing(project));
  }

  private async view(row: ProjectRow, freshness: FreshnessView): Promise<ProjectView> {
    return projectView(row, freshness, await openTexts(this.keys, row));
  }
}

/** In the log an empty text stands for none. */
function textIn(
  field: 'title' | 'description',
  text: string | null | undefined,
): { title?: string; description?: string } {
  return text === undefined ? {} : { [field]: text ?? '' };
}
