import { Body, Controller, Get, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsNumber, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { ID_PATTERN } from '@buckets/contracts';
import { Problem } from '@buckets/service';
import type { Request } from 'express';
import { DataSource } from 'typeorm';
import { Needs, OWN } from '../access/access.js';
import { visibleToAll } from '../access/visible.js';
import { Decider } from '../decisions/decider.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does, NotBlank, OptionalWhole } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, cursorAt, PageQuery, pageOf, positionsOf, type Page } from '../http/page.js';
import { RegionRow } from '../tables/entities.js';
import { metresFrom, placeAt, placeOfCaller, type Place } from './distance.js';

const MOST = 500;
/** Cursors hold no negative numbers. */
const OFFSET = 360_000_000;

export class CreateRegion {
  @ApiPropertyOptional({ pattern: ID_PATTERN.source }) @IsOptional() @Matches(ID_PATTERN) id?: string;
  @ApiProperty() @IsString() @Length(1, 200) @NotBlank() name!: string;
  @ApiProperty() @IsNumber() @Min(-90) @Max(90) latitude!: number;
  @ApiProperty() @IsNumber() @Min(-180) @Max(180) longitude!: number;
}

export class RegionView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() latitude!: number;
  @ApiProperty() longitude!: number;
  @OptionalWhole({ description: 'From the caller, where it is known' }) distanceKm?: number;
}

const toNumber = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && value.trim() !== '' ? Number(value) : value;

export class RegionsQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Together with longitude' })
  @IsOptional()
  @Transform(toNumber)
  @IsNumber()
  @Min(-90)
  @Max(90)
  latitude?: number;

  @ApiPropertyOptional({ description: 'Together with latitude' })
  @IsOptional()
  @Transform(toNumber)
  @IsNumber()
  @Min(-180)
  @Max(180)
  longitude?: number;
}

@ApiTags('regions')
@Controller('v1/regions')
export class RegionsController {
  constructor(
    private readonly decider: Decider,
    private readonly data: DataSource,
  ) {}

  @Get()
  @Does(
    'Lists regions, the nearest to the caller first',
    'As far as it is known where the caller is: by latitude and longitude, or by headers.',
  )
  @Needs('regions:read', OWN)
  @ApiHeader({ name: 'CF-IPLatitude', required: false })
  @ApiHeader({ name: 'CF-IPLongitude', required: false })
  @ApiPage(RegionView)
  @ApiProblems()
  async list(@Query() query: RegionsQuery, @Req() request: Request): Promise<Page<RegionView>> {
    const { latitude, longitude, limit = MOST, cursor } = query;
    if ((latitude === undefined) !== (longitude === undefined)) throw halfAPlace();
    const caller =
      latitude !== undefined && longitude !== undefined
        ? placeAt({ latitude, longitude })
        : placeOfCaller(request.headers);
    if (caller !== null) return this.nearest(caller, { limit, ...(cursor === undefined ? {} : { cursor }) });
    const rows = this.data.getRepository(RegionRow).createQueryBuilder('region');
    const page = await pageOf(visibleToAll(rows), { ...query, limit }, 'oldest-first');
    return { ...page, items: page.items.map(viewOf) };
  }

  /** A further page is in the order of the first one, wherever the caller is by then. */
  private async nearest(
    caller: Place,
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<Page<RegionView>> {
    const [metres, position, ...first] = cursor === undefined ? [-1, 0] : positionsOf(cursor, 4);
    const [latitude, longitude] =
      first.length === 2 ? first.map((each) => each - OFFSET) : [caller.latitude, caller.longitude];
    const found = await this.data.query<(RegionRow & { metres: string })[]>(
      `SELECT * FROM (SELECT *, ${metresFrom(['$1', '$2'])} AS metres FROM api.region) AS region
       WHERE (metres, position) > ($3::bigint, $4::bigint) ORDER BY metres, position LIMIT $5`,
      [latitude, longitude, metres, position, limit + 1],
    );
    const rows = found.slice(0, limit);
    const items = rows.map((row) => ({ ...viewOf(row), distanceKm: Math.round(Number(row.metres) / 1000) }));
    const last = rows.at(-1);
    if (found.length <= limit || last === undefined) return { items };
    const place = [latitude! + OFFSET, longitude! + OFFSET];
    return { items, nextCursor: cursorAt(Number(last.metres), Number(last.position), ...place) };
  }

  @Post()
  @Does('Adds a region')
  @Needs('regions:write')
  @ApiCreatedResponse({ type: RegionView })
  @ApiProblems(409)
  async create(@Body() body: CreateRegion, @Repetition() repetition: Repeatable): Promise<RegionView> {
    const id = body.id ?? repetition.idFor('region');
    const { name, latitude, longitude } = body;
    const { requestedBy, requestHash } = repetition;
    const data = { name, latitude, longitude, requestedBy, ...(requestHash === undefined ? {} : { requestHash }) };
    await createFixture(this.decider, id, { thing: 'region', type: 'created', data }, repetition);
    return viewOf(await this.data.getRepository(RegionRow).findOneByOrFail({ id }));
  }
}

function halfAPlace(): Problem {
  const detail = 'latitude and longitude say together where the caller is: give both, or neither.';
  return new Problem({ code: 'half-a-place', status: 400, detail });
}

function viewOf({ id, name, latitude, longitude }: RegionRow): RegionView {
  return { id, name, latitude, longitude };
}
