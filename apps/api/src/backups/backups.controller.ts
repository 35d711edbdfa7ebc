import { Body, Controller, Delete, Get, HttpCode, Inject, Post, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import type { Response } from 'express';
import { CONSISTENCY_MODES, type ConsistencyMode } from '@buckets/contracts';
import { DataSource } from 'typeorm';
import { Needs, ofProject } from '../access/access.js';
import type { AdmittedProject } from '../access/admission.js';
import { OfProject } from '../access/admitted.js';
import { withinProject } from '../access/visible.js';
import { Rejection } from '../problems/rejection.js';
import { ApiProblems } from '../http/api-problem.js';
import { BackupId } from '../http/identifiers.js';
import { Begins, Does } from '../http/described.js';
import { NoFields } from '../http/no-fields.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { PROJECT_KEYS, type ProjectKeys } from '../keys/project-keys.js';
import { WithLimits } from '../project-decisions/limits.js';
import { OperationView } from '../operations/operation-view.js';
import { Operations } from '../operations/operations.js';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import { BackupRow } from '../tables/entities.js';
import { BackupView, backupView } from './backup-view.js';

export class CreateBackup extends WithLimits {
  @ApiPropertyOptional({
    enum: CONSISTENCY_MODES,
    description: 'What the backup must be; without it the best that the state of the project allows',
  })
  @IsOptional()
  @IsIn(CONSISTENCY_MODES)
  consistency?: ConsistencyMode;
}

export class DeleteBackupQuery {
  @ApiPropertyOptional({
    enum: ['last-good-backup'],
    description: 'That the backup is to be deleted although nothing else could bring the data of the project back',
  })
  @IsOptional()
  @IsIn(['last-good-backup'])
  although?: 'last-good-backup';
}

export class RestoreBackup extends WithLimits {}

@ApiTags('backups')
@Controller('v1/projects/:id/backups')
export class BackupsController {
  constructor(
    private readonly commands: ProjectCommands,
    private readonly operations: Operations,
    private readonly data: DataSource,
    @Inject(PROJECT_KEYS) private readonly keys: ProjectKeys,
  ) {}

  @Get()
  @Does('Lists the backups of a project, the one that was allowed to begin last first')
  @Needs('backups:read', ofProject('viewer'))
  @ApiPage(BackupView)
  @ApiProblems(404)
  async list(@OfProject() project: AdmittedProject, @Query() query: PageQuery): Promise<Page<BackupView>> {
    await this.commands.existing(project);
    const rows = this.data.getRepository(BackupRow).createQueryBuilder('backup');
    const page = await pageOf(withinProject(project, rows, 'project_id'), query, 'newest-first', [
      'began_position',
      'position',
    ]);
    return { ...page, items: await Promise.all(page.items.map((row) => backupView(row, this.keys))) };
  }

  @Get(':backupId')
  @Does('Shows a backup')
  @Needs('backups:read', ofProject('viewer'))
  @ApiOkResponse({ type: BackupView })
  @ApiProblems(404)
  async get(@OfProject() project: AdmittedProject, @BackupId() backupId: string): Promise<BackupView> {
    await this.commands.existing(project);
    const row = await this.data.getRepository(BackupRow).findOneBy({ project_id: project.id, id: backupId });
    if (row === null) throw new Rejection('backup-not-found', 'This project has no such backup.', 404);
    return backupView(row, this.keys);
  }

  @Post(':backupId/accept')
  @Does(
    'Says that a backup which is suddenly empty or shrunken is how the project is now',
    'It counts as good from then on: a start may restore it, and later backups are compared with it. Doing so again, or ' +
      'with a backup that is good anyway, changes nothing.',
  )
  @HttpCode(200)
  @Needs('backups:write', ofProject('collaborator'))
  @ApiOkResponse({ type: BackupView })
  @ApiProblems(404, 409)
  async accept(
    @OfProject() project: AdmittedProject,
    @BackupId() backupId: string,
    @Body(NoFields) _none: unknown,
    @Repetition() { requestedBy }: Repeatable,
  ): Promise<BackupView> {
    await this.commands.acceptBackup(project, backupId, requestedBy);
    return this.get(project, backupId);
  }

  @Post()
  @Does('Backs a project up')
  @Needs('backups:write', ofProject('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409, 429)
  async create(
    @OfProject() project: AdmittedProject,
    @Body() body: CreateBackup,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const { limits, ...params } = body;
    const operationId = await this.commands.request(project, 'backup', { params, limits }, repetition);
    return this.operations.accepted(operationId, response);
  }

  @Delete(':backupId')
  @Does(
    'Deletes a backup',
    'What other backups also hold stays; the rest is removed by a later clean-up. The last good backup is kept (409 ' +
      '`last-good-backup`), unless the request says so.',
  )
  @Needs('backups:write', ofProject('owner'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async delete(
    @OfProject() project: AdmittedProject,
    @BackupId() backupId: string,
    @Query() { although }: DeleteBackupQuery,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const wanted = { params: { backupId }, although };
    return this.operations.accepted(await this.commands.request(project, 'forget', wanted, repetition), response);
  }

  @Post(':backupId/restore')
  @Does('Restores the whole project', 'What stands there goes. The project has to be stopped.')
  @Needs('backups:write', ofProject('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async restore(
    @OfProject() project: AdmittedProject,
    @BackupId() backupId: string,
    @Body() { limits }: RestoreBackup,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const wanted = { params: { backupId }, limits };
    return this.operations.accepted(await this.commands.request(project, 'restore', wanted, repetition), response);
  }
}
