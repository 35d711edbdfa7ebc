import { Controller, Get, Header, Inject, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import type { Request, Response } from 'express';
import {
  ID_PATTERN,
  OPERATION_KINDS,
  OPERATION_STATES,
  type OperationKind,
  type OperationState,
} from '@buckets/contracts';
import { Stopping } from '@buckets/service';
import { DataSource } from 'typeorm';
import { Needs } from '../access/caller.js';
import { ApiProblems } from '../http/api-problem.js';
import { Id } from '../http/identifiers.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { OperationRow } from '../tables/entities.js';
import { OperationView } from './operation-view.js';
import { Operations } from './operations.js';
import { OperationStream } from './operation-stream.js';

export class OperationsQuery extends PageQuery {
  @ApiPropertyOptional() @IsOptional() @Matches(ID_PATTERN) projectId?: string;
  @ApiPropertyOptional() @IsOptional() @Matches(ID_PATTERN) hostId?: string;
  @ApiPropertyOptional({ enum: OPERATION_KINDS }) @IsOptional() @IsIn(OPERATION_KINDS) kind?: OperationKind;
  @ApiPropertyOptional({ enum: OPERATION_STATES }) @IsOptional() @IsIn(OPERATION_STATES) state?: OperationState;
}

@ApiTags('operations')
@Controller('v1/operations')
export class OperationsController {
  constructor(
    private readonly operations: Operations,
    private readonly stream: OperationStream,
    private readonly data: DataSource,
    @Inject(Stopping) private readonly stopping: Stopping,
  ) {}

  @Get()
  @Needs('operations:read')
  @ApiPage(OperationView)
  @ApiProblems()
  async list(@Query() query: OperationsQuery): Promise<Page<OperationView>> {
    const rows = this.data.getRepository(OperationRow).createQueryBuilder('operation').where('true');
    const filters = { project_id: query.projectId, host_id: query.hostId, kind: query.kind, state: query.state };
    for (const [column, value] of Object.entries(filters)) {
      if (value !== undefined) rows.andWhere(`operation.${column} = :${column}`, { [column]: value });
    }
    const page = await pageOf(rows, query, 'newest-first');
    return { ...page, items: await Promise.all(page.items.map((row) => this.operations.view(row))) };
  }

  @Get(':id')
  @Needs('operations:read')
  @ApiOkResponse({ type: OperationView })
  @ApiProblems(404)
  async get(@Id('operation') id: string): Promise<OperationView> {
    return this.operations.get(id);
  }

  /**
   * Server-sent events: `state` with the operation whenever its state changes, `progress` in between. Ends with the
   * terminal state.
   */
  @Get(':id/events')
  @Needs('operations:read')
  @Header('Cache-Control', 'no-store')
  @ApiOkResponse({ content: { 'text/event-stream': { schema: { type: 'string' } } } })
  @ApiProblems(404)
  async events(@Id('operation') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    const row = await this.operations.row(id);
    const gone = new AbortController();
    request.once('close', () => gone.abort());
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.stopping.signal]);
    await this.stream.send(row, response, signal);
  }
}
