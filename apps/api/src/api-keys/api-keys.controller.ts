import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsString, Length } from 'class-validator';
import { SCOPES, type Scope } from '@buckets/contracts';
import { DataSource } from 'typeorm';
import { CurrentCaller, mayDo, Needs, type Caller } from '../access/caller.js';
import { tokenHash } from '../access/token-guard.js';
import { Decider } from '../decisions/decider.js';
import { Rejection } from '../problems/rejection.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Id } from '../http/identifiers.js';
import { Does } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { WantedMoment } from '../http/moment.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { ApiKeyRow } from '../tables/entities.js';

export class CreateApiKey {
  @ApiProperty() @IsString() @Length(1, 200) name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true, description: 'What it may do; nothing else' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @IsIn(SCOPES, { each: true })
  scopes!: Scope[];
  @WantedMoment({ description: 'Until when it is good; for ever where it is left out' }) expiresAt?: string;
}

export class ApiKeyView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true }) scopes!: Scope[];
  @ApiPropertyOptional({ format: 'date-time' }) expiresAt?: string;
  @ApiPropertyOptional({ format: 'date-time' }) revokedAt?: string;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
}

export class NewApiKeyView extends ApiKeyView {
  @ApiProperty({ description: 'Shown once: only its hash is stored' }) token!: string;
}

@ApiTags('API keys')
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(
    private readonly decider: Decider,
    private readonly data: DataSource,
  ) {}

  @Get()
  @Does('Lists API keys, without their tokens')
  @Needs('api-keys:write')
  @ApiPage(ApiKeyView)
  @ApiProblems()
  async list(@Query() query: PageQuery): Promise<Page<ApiKeyView>> {
    const page = await pageOf(this.data.getRepository(ApiKeyRow).createQueryBuilder('api_key'), query, 'oldest-first');
    return { ...page, items: page.items.map(viewOf) };
  }

  @Post()
  @Does(
    'Makes an API key',
    "With the caller's own scopes at most. A repetition cannot show the token again and is refused.",
  )
  @Needs('api-keys:write')
  @ApiCreatedResponse({ type: NewApiKeyView })
  @ApiProblems(409)
  async create(
    @Body() body: CreateApiKey,
    @CurrentCaller() caller: Caller,
    @Repetition() { idFor, requestedBy, hasKey }: Repeatable,
  ): Promise<NewApiKeyView> {
    const beyond = body.scopes.filter((scope) => !mayDo(caller, scope));
    if (beyond.length > 0) {
      throw new Rejection('forbidden', `This token cannot give what it does not hold: ${beyond.join(', ')}.`, 403);
    }
    const id = idFor('api-key');
    const token = `bkt_${randomBytes(32).toString('base64url')}`;
    const { name, scopes, expiresAt } = body;
    const data = { name, scopes, tokenHash: tokenHash(token), requestedBy, ...(expiresAt ? { expiresAt } : {}) };
    await createFixture(this.decider, id, { thing: 'api-key', type: 'created', data }, { requestedBy, hasKey, idFor });
    return { ...viewOf(await this.data.getRepository(ApiKeyRow).findOneByOrFail({ id })), token };
  }

  @Delete(':id')
  @Does('Revokes an API key')
  @HttpCode(204)
  @Needs('api-keys:write')
  @ApiNoContentResponse()
  @ApiProblems(404)
  async revoke(@Id('API key') id: string, @CurrentCaller() caller: Caller): Promise<void> {
    await this.decider.decide('api-key', id, (state) => {
      if (state === null) throw new Rejection('api-key-not-found', `There is no API key ${id}.`, 404);
      const data = { requestedBy: caller.name };
      return { events: state.revoked ? [] : [{ thing: 'api-key' as const, type: 'revoked' as const, data }] };
    });
  }
}

function viewOf({ id, name, scopes, expires_at, revoked_at, created_at }: ApiKeyRow): ApiKeyView {
  return {
    id,
    name,
    scopes,
    ...(expires_at === null ? {} : { expiresAt: expires_at }),
    ...(revoked_at === null ? {} : { revokedAt: revoked_at }),
    createdAt: created_at,
  };
}
