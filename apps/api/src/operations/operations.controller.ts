import { Body, Controller, Get, Header, Inject, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiPropertyOptional,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsNumber, IsOptional, Matches } from 'class-validator';
import type { Response } from 'express';
import {
  ID_PATTERN,
  OPERATION_KINDS,
  OPERATION_STATES,
  type OperationKind,
  type OperationState,
} from '@buckets/contracts';
import { Stopping } from '@buckets/service';
import { DataSource } from 'typeorm';
import { Needs, ofOperation, OWN } from '../access/access.js';
import type { AdmittedOperation } from '../access/admission.js';
import { OfOperation } from '../access/admitted.js';
import { CurrentCaller, type CalledRequest, type Caller } from '../access/caller.js';
import { Room, type RoomFor } from '../access/room.js';
import { StillAdmitted } from '../access/still-admitted.js';
import { visibleTo } from '../access/visible.js';
import { ApiProblems } from '../http/api-problem.js';
import { Begins, Does } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { NoFields } from '../http/no-fields.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import { OperationRow } from '../tables/entities.js';
import { OperationView, ProgressView } from './operation-view.js';
import { Operations } from './operations.js';
import { OperationFollower } from './operation-follower.js';
import { OperationStream } from './operation-stream.js';

export class OperationsQuery extends PageQuery {
  @ApiPropertyOptional() @IsOptional() @Matches(ID_PATTERN) projectId?: string;
  @ApiPropertyOptional() @IsOptional() @Matches(ID_PATTERN) hostId?: string;
  @ApiPropertyOptional({ enum: OPERATION_KINDS }) @IsOptional() @IsIn(OPERATION_KINDS) kind?: OperationKind;
  @ApiPropertyOptional({ enum: OPERATION_STATES }) @IsOptional() @IsIn(OPERATION_STATES) state?: OperationState;
}

/** Streams, and waits for the end of an operation: fewer than can follow operations, so that the administrator always can. */
const FOLLOWING: RoomFor = { user: 20, users: 700, fleetCaller: 700, all: 900 };

/** A minute at most. */
const WAIT = /^(?:([0-5]?\d(?:\.\d{1,3})?|60)s|(\d{1,4}|[1-5]\d{4}|60000)ms|([01])m)$/;

function waitMs(text: string): number | string {
  const [, seconds, milliseconds, minutes] = WAIT.exec(text) ?? [];
  if (seconds !== undefined) return Math.round(Number(seconds) * 1_000);
  if (minutes !== undefined) return Number(minutes) * 60_000;
  return milliseconds === undefined ? text : Number(milliseconds);
}

export class OperationQuery {
  @ApiPropertyOptional({
    type: String,
    pattern: WAIT.source,
    example: '30s',
    description: 'How long to wait for its end: 60s at most',
  })
  @IsOptional()
  @Transform(({ value }) => (typeof value === 'string' ? waitMs(value) : (value as unknown)))
  @IsNumber({}, { message: 'wait must be a time with its unit, a minute at most, such as 30s' })
  wait?: number;
}

/** Of each event of a stream. */
const EVENT = {
  type: 'object',
  required: ['event', 'data'],
  properties: {
    id: { type: 'string', pattern: '^[0-9]+$', description: 'Of a state: for Last-Event-ID' },
    event: { type: 'string', enum: ['state', 'progress'] },
    data: {
      type: 'string',
      contentMediaType: 'application/json',
      contentSchema: { oneOf: [OperationView, ProgressView].map((view) => ({ $ref: getSchemaPath(view) })) },
    },
  },
} as object;

@ApiTags('operations')
@Controller('v1/operations')
export class OperationsController {
  private readonly room = new Room('streams and waits', FOLLOWING);

  constructor(
    private readonly operations: Operations,
    private readonly commands: ProjectCommands,
    private readonly follower: OperationFollower,
    private readonly stream: OperationStream,
    private readonly stillAdmitted: StillAdmitted,
    private readonly data: DataSource,
    @Inject(Stopping) private readonly stopping: Stopping,
  ) {}

  @Get()
  @Does('Lists operations, the newest first')
  @Needs('operations:read', OWN)
  @ApiPage(OperationView)
  @ApiProblems()
  async list(@Query() query: OperationsQuery, @CurrentCaller() caller: Caller): Promise<Page<OperationView>> {
    const rows = this.data.getRepository(OperationRow).createQueryBuilder('operation').where('true');
    const filters = { project_id: query.projectId, host_id: query.hostId, kind: query.kind, state: query.state };
    for (const [column, value] of Object.entries(filters)) {
      if (value !== undefined) rows.andWhere(`operation.${column} = :${column}`, { [column]: value });
    }
    const page = await pageOf(visibleTo(caller, rows, 'project_id'), query, 'newest-first');
    return { ...page, items: await this.operations.views(page.items, caller) };
  }

  @Get(':id')
  @Does(
    'Shows an operation, with its progress while it runs',
    'With `wait` the answer comes when the operation has ended, or after that time.',
  )
  @Needs('operations:read', ofOperation('viewer'))
  @ApiOkResponse({ type: OperationView })
  @ApiProblems(404)
  async get(
    @OfOperation() operation: AdmittedOperation,
    @Query() { wait = 0 }: OperationQuery,
    @CurrentCaller() caller: Caller,
    @Req() request: CalledRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    const row = await this.operations.row(operation);
    if (wait === 0) return this.operations.view(row, caller);
    this.room.hold(caller, response);
    const ended = await this.follower.ending(row, { withinMs: wait, signal: this.untilGone(response) });
    await this.stillAdmitted.check(request, { id: row.project_id, by: operation.by });
    return this.operations.view(ended, caller);
  }

  @Post(':id/cancel')
  @Does(
    'Cancels an operation',
    'What its host has not begun ends at once. Of what it has begun the host says how it ends: as `cancelled`, or ' +
      'otherwise where it was too late. Asking again changes nothing; once it has ended the answer is 409.',
  )
  @Needs('operations:write', ofOperation('collaborator'))
  @Begins(OperationView)
  @ApiProblems(404, 409)
  async cancel(
    @OfOperation() operation: AdmittedOperation,
    @Body(NoFields) _none: unknown,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OperationView> {
    await this.commands.cancel(operation, repetition);
    return this.operations.accepted(operation, response);
  }

  @Get(':id/events')
  @Does(
    'Streams an operation as server-sent events',
    '`state` with the operation whenever its state changes, `progress` in between; ends with the state in which the ' +
      'operation has ended. Whoever has seen that state, by its Last-Event-ID, is answered 204: there is nothing more.',
  )
  @Needs('operations:read', ofOperation('viewer'))
  @Header('Cache-Control', 'no-store')
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  @ApiExtraModels(ProgressView)
  @ApiOkResponse({ content: { 'text/event-stream': { schema: EVENT } } })
  @ApiNoContentResponse()
  @ApiProblems(404)
  async events(
    @OfOperation() operation: AdmittedOperation,
    @CurrentCaller() caller: Caller,
    @Req() request: CalledRequest,
    @Res() response: Response,
  ): Promise<void> {
    const row = await this.operations.row(operation);
    this.room.hold(caller, response);
    const lastSeen = /^\d{1,15}$/.exec(String(request.headers['last-event-id']))?.[0];
    await this.stream.send(row, response, {
      caller,
      signal: this.untilGone(response),
      mayStill: () => this.stillAdmitted.check(request, { id: row.project_id, by: operation.by }),
      ...(lastSeen === undefined ? {} : { lastSeen: Number(lastSeen) }),
    });
  }

  /** Nobody listens any more, or the service stops. */
  private untilGone(response: Response): AbortSignal {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    return AbortSignal.any([gone.signal, this.stopping.signal]);
  }
}
