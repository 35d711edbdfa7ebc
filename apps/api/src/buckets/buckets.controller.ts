import { Body, Controller, Get, Inject, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length, Matches, MaxLength } from 'class-validator';
import { ID_PATTERN } from '@buckets/contracts';
import { alone } from '@buckets/log';
import type { ObjectStore } from '@buckets/object-storage';
import { DataSource, In } from 'typeorm';
import { Needs } from '../access/access.js';
import { visibleToAll } from '../access/visible.js';
import { Decider } from '../decisions/decider.js';
import { Rejection } from '../problems/rejection.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { PROJECT_KEYS, type ProjectKeys } from '../keys/project-keys.js';
import { BucketRow, ProjectRow, RegionRow } from '../tables/entities.js';
import { checkBucket } from './check-bucket.js';
import { isSameBucket, type BucketPlace } from './same-bucket.js';
import { mustHoldNone, unknownProjectsIn, type UnknownProjects } from './unknown-projects.js';

/** How long one waits for others that are being added. */
const OTHERS_ADD_MS = 5_000;

/** An address without a secret in it: it is shown. */
const ENDPOINT =
  /^https?:\/\/(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?)(:\d{1,5})?(\/[A-Za-z0-9._~\/-]*)?$/;

export class CreateBucket {
  @ApiPropertyOptional({ pattern: ID_PATTERN.source }) @IsOptional() @Matches(ID_PATTERN) id?: string;
  @ApiProperty() @Matches(ID_PATTERN) regionId!: string;
  @ApiProperty({ example: 'https://s3.eu-west-1.amazonaws.com' })
  @Matches(ENDPOINT, {
    message: 'endpoint must be an address such as https://s3.example.com:9000, without user, password, ? and #',
  })
  @MaxLength(2000)
  endpoint!: string;
  @ApiProperty({ example: 'eu-west-1' }) @IsString() @Length(1, 100) s3Region!: string;
  @ApiProperty()
  @IsString()
  @Matches(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    message: 'bucket must be 3 to 63 of a-z, 0-9, "." and "-", with a letter or digit at both ends',
  })
  bucket!: string;
  @ApiProperty() @IsString() @Length(1, 200) accessKeyId!: string;
  @ApiProperty({ writeOnly: true }) @IsString() @Length(1, 500) secretAccessKey!: string;
  @ApiPropertyOptional({
    enum: ['accept'],
    description:
      'That the bucket is to be used although it holds keys or repositories of projects that the log does not know. They ' +
      'are left alone',
  })
  @IsOptional()
  @IsIn(['accept'])
  holdsForeignData?: 'accept';
}

export class BucketView {
  @ApiProperty() id!: string;
  @ApiProperty() regionId!: string;
  @ApiProperty() endpoint!: string;
  @ApiProperty() s3Region!: string;
  @ApiProperty() bucket!: string;
}

@ApiTags('buckets')
@Controller('v1/buckets')
export class BucketsController {
  constructor(
    private readonly decider: Decider,
    private readonly data: DataSource,
    @Inject(PROJECT_KEYS) private readonly keys: ProjectKeys,
  ) {}

  @Get()
  @Does('Lists buckets')
  @Needs('regions:read')
  @ApiPage(BucketView)
  @ApiProblems()
  async list(@Query() query: PageQuery): Promise<Page<BucketView>> {
    const page = await pageOf(
      visibleToAll(this.data.getRepository(BucketRow).createQueryBuilder('bucket')),
      query,
      'oldest-first',
    );
    return { ...page, items: page.items.map(viewOf) };
  }

  @Post()
  @Does(
    'Adds a bucket',
    'Its credentials are tried, kept in the vault, and never shown again. One that holds keys or repositories of projects ' +
      'that the log does not know is refused (409 `bucket-holds-unknown-projects`, with what was found): the log may be ' +
      'lost. The same bucket under another id is refused (409 `bucket-exists-as`, with the id that it has).',
  )
  @Needs('regions:write')
  @ApiCreatedResponse({ type: BucketView })
  @ApiProblems(404, 409)
  async create(@Body() body: CreateBucket, @Repetition() repetition: Repeatable): Promise<BucketView> {
    const { regionId, endpoint, s3Region, bucket, accessKeyId, secretAccessKey, holdsForeignData } = body;
    if (!URL.canParse(endpoint)) throw new Rejection('bucket-unusable', `There can be nothing at ${endpoint}.`, 409);
    if (!(await this.data.getRepository(RegionRow).existsBy({ id: regionId }))) {
      throw new Rejection('region-not-found', `There is no region ${regionId}.`, 404);
    }
    const id = body.id ?? repetition.idFor('bucket');
    const access = { endpoint, region: s3Region, bucket, accessKeyId, secretAccessKey };
    const isNew = async () => (await this.decider.currentStateOf('bucket', id)) === null;
    if (await isNew()) {
      await this.mustBeNew(access);
      await checkBucket(access, async (store) => {
        if (holdsForeignData !== 'accept') mustHoldNone(bucket, await this.unknownProjectsIn(store));
      });
    }
    const { requestedBy, requestHash } = repetition;
    const data = {
      regionId,
      endpoint,
      s3Region,
      bucket,
      requestedBy,
      ...(requestHash === undefined ? {} : { requestHash }),
    };
    const taken = () => new Rejection('bucket-being-added', 'Another bucket is being added. Try again.', 409);
    // Nobody else's credentials get between these and their fact.
    await alone(this.data, 'adds a bucket', { taken, waitMs: OTHERS_ADD_MS }, async () => {
      // The credentials of a bucket that exists stay as they are, whatever becomes of this request.
      if (await isNew()) {
        await this.mustBeNew(access);
        await this.keys.storeBucketAccess(id, access);
      }
      await createFixture(this.decider, id, { thing: 'bucket', type: 'created', data }, repetition);
    });
    return viewOf(await this.data.getRepository(BucketRow).findOneByOrFail({ id }));
  }

  /** @throws {Rejection} `bucket-exists-as` where another id is that of the same bucket */
  private async mustBeNew(place: BucketPlace): Promise<void> {
    const ofThatName = await this.data.getRepository(BucketRow).findBy({ bucket: place.bucket });
    const same = ofThatName.find((row) => isSameBucket(row, place));
    if (same === undefined) return;
    const detail = `The bucket ${place.bucket} at ${place.endpoint} is there already, as ${same.id}. Use that id.`;
    throw new Rejection('bucket-exists-as', detail, 409, { bucketId: same.id });
  }

  private async unknownProjectsIn(store: ObjectStore): Promise<UnknownProjects> {
    return unknownProjectsIn(store, async (ids) => {
      const rows = await this.data.getRepository(ProjectRow).find({ select: { id: true }, where: { id: In(ids) } });
      return new Set(rows.map(({ id }) => id));
    });
  }
}

function viewOf({ id, region_id, endpoint, s3_region, bucket }: BucketRow): BucketView {
  return { id, regionId: region_id, endpoint, s3Region: s3_region, bucket };
}
