import { Body, Controller, Get, HttpCode, Inject, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsString, Length, Matches } from 'class-validator';
import { jetstreamManager } from '@nats-io/jetstream';
import { ID_PATTERN, WARNED_SKEW_MS } from '@buckets/contracts';
import { provisionHostConsumers } from '@buckets/log';
import { skewInWords } from '@buckets/object-storage';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Response } from 'express';
import { DataSource } from 'typeorm';
import { Needs } from '../access/access.js';
import { CurrentCaller, type Caller } from '../access/caller.js';
import { visibleToAll } from '../access/visible.js';
import { Decider } from '../decisions/decider.js';
import { Rejection } from '../problems/rejection.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Id } from '../http/identifiers.js';
import { Creates, Does, NotBlank, OptionalWhole } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { HostRow, RegionRow } from '../tables/entities.js';
import { NATS } from '../wiring/tokens.js';
import { HostCredentials } from './host-credentials.js';
import { HostSigns, idlenessInWords, UNHEARD, type HostSign } from './host-signs.js';

/** As any id, but the name of a host's queue of cancels must never be that of another host's queue of work. */
const HOST_ID_PATTERN = /^(?!.*-cancel$)[a-z0-9][a-z0-9-]{0,62}$/;

export class CreateHost {
  @ApiPropertyOptional({ pattern: HOST_ID_PATTERN.source })
  @IsOptional()
  @Matches(HOST_ID_PATTERN, {
    message: 'id must be 1 to 63 of a-z, 0-9 and "-", the first no "-", and must not end in "-cancel"',
  })
  id?: string;
  @ApiProperty() @IsString() @Length(1, 200) @NotBlank() name!: string;
  @ApiProperty() @Matches(ID_PATTERN) regionId!: string;
}

export class UpdateHost {
  @ApiPropertyOptional() @IsOptional() @IsString() @Length(1, 200) @NotBlank() name?: string;
}

export class HostView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() regionId!: string;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'Its latest sign of life, where one is remembered' })
  seenAt?: string;
  @OptionalWhole({ description: "How far its clock was then ahead of the control plane's; negative: behind" })
  clockSkewMs?: number;
  @ApiPropertyOptional({
    example: 'here',
    description: 'Whether the folder of its projects is there: `here`, or why not',
  })
  dataRoot?: string;
  @ApiProperty({ type: String, isArray: true, description: 'What somebody should see to, a sentence each' })
  warnings!: string[];
}

export class CredentialsView {
  @ApiProperty({ description: "A NATS credentials file for that host's worker; shown once, stored nowhere" })
  credentials!: string;
}

@ApiTags('hosts')
@Controller('v1/hosts')
export class HostsController {
  constructor(
    private readonly decider: Decider,
    private readonly data: DataSource,
    private readonly hostCredentials: HostCredentials,
    private readonly signs: HostSigns,
    @Inject(NATS) private readonly nats: NatsConnection,
  ) {}

  @Get()
  @Does('Lists hosts')
  @Needs('hosts:read')
  @ApiPage(HostView)
  @ApiProblems()
  async list(@Query() query: PageQuery): Promise<Page<HostView>> {
    const page = await pageOf(
      visibleToAll(this.data.getRepository(HostRow).createQueryBuilder('host')),
      query,
      'oldest-first',
    );
    return { ...page, items: await Promise.all(page.items.map((row) => this.view(row))) };
  }

  @Get(':id')
  @Does('Shows a host')
  @Needs('hosts:read')
  @ApiOkResponse({ type: HostView })
  @ApiProblems(404)
  async get(@Id('host') id: string): Promise<HostView> {
    return this.view(await this.row(id));
  }

  @Post()
  @Does('Adds a host')
  @Needs('hosts:write')
  @Creates(HostView)
  @ApiProblems(404, 409)
  async create(
    @Body() body: CreateHost,
    @Repetition() repetition: Repeatable,
    @Res({ passthrough: true }) response: Response,
  ): Promise<HostView> {
    const { name, regionId } = body;
    if (!(await this.data.getRepository(RegionRow).existsBy({ id: regionId }))) {
      throw new Rejection('region-not-found', `There is no region ${regionId}.`, 404);
    }
    const id = body.id ?? repetition.idFor('host');
    await provisionHostConsumers(await jetstreamManager(this.nats), id);
    const { requestedBy, requestHash } = repetition;
    const data = { name, regionId, requestedBy, ...(requestHash === undefined ? {} : { requestHash }) };
    await createFixture(this.decider, id, { thing: 'host', type: 'created', data }, repetition);
    response.location(`/v1/hosts/${id}`);
    return this.view(await this.row(id));
  }

  @Patch(':id')
  @Does('Renames a host')
  @Needs('hosts:write')
  @ApiOkResponse({ type: HostView })
  @ApiProblems(404)
  async update(@Id('host') id: string, @Body() body: UpdateHost, @CurrentCaller() caller: Caller): Promise<HostView> {
    await this.decider.decide('host', id, (state) => {
      if (state === null) throw notFound(id);
      const data = { ...body, requestedBy: caller.name };
      return { events: body.name === undefined ? [] : [{ thing: 'host' as const, type: 'updated' as const, data }] };
    });
    return this.view(await this.row(id));
  }

  @Post(':id/credentials')
  @Does("Makes credentials for a host's worker", 'Those made before stay valid.')
  @HttpCode(201)
  @Needs('hosts:write')
  @ApiCreatedResponse({ type: CredentialsView })
  @ApiProblems(404)
  async credentials(@Id('host') id: string): Promise<CredentialsView> {
    await this.row(id);
    return { credentials: await this.hostCredentials.issue(id) };
  }

  private async view(row: HostRow): Promise<HostView> {
    return hostView(row, await this.signs.of(row.id));
  }

  private async row(id: string): Promise<HostRow> {
    const row = await this.data.getRepository(HostRow).findOneBy({ id });
    if (row === null) throw notFound(id);
    return row;
  }
}

function notFound(id: string): Rejection {
  return new Rejection('host-not-found', `There is no host ${id}.`, 404);
}

/** @param sign the host's latest sign of life */
export function hostView(
  { id, name, region_id, created_at }: HostRow,
  sign: HostSign | typeof UNHEARD | undefined,
): HostView {
  const view = { id, name, regionId: region_id, createdAt: created_at };
  const idleness = idlenessInWords(sign);
  if (sign === undefined || sign === UNHEARD) return { ...view, warnings: idleness === null ? [] : [idleness] };
  const { seenAt, clockSkewMs, dataRoot } = sign;
  const warnings = [idleness, clockInWords(clockSkewMs)].filter((each) => each !== null);
  return { ...view, seenAt: seenAt.toISOString(), clockSkewMs, ...(dataRoot && { dataRoot }), warnings };
}

function clockInWords(clockSkewMs: number): string | null {
  if (Math.abs(clockSkewMs) < WARNED_SKEW_MS) return null;
  return `Its clock is ${skewInWords(clockSkewMs)}: set it, as object storage refuses what is signed minutes off.`;
}
