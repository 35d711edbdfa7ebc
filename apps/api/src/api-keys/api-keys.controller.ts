import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { MAX_KEY_MAKERS, SCOPES, USER_ID_PATTERN, type NewEvent, type Scope } from '@buckets/contracts';
import { DataSource } from 'typeorm';
import { Needs, SERVICES } from '../access/access.js';
import { CurrentCaller, holds, ownerBehind, type Caller } from '../access/caller.js';
import { Mandate } from '../access/mandate.js';
import { Owners } from '../access/owners.js';
import { tokenHash } from '../access/tokens.js';
import { ownedBy } from '../access/visible.js';
import { Decider } from '../decisions/decider.js';
import { apiKeyNotFound } from '../problems/not-there.js';
import { Rejection } from '../problems/rejection.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Id } from '../http/identifiers.js';
import { Does } from '../http/described.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { WantedMoment } from '../http/moment.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import type { FixtureState } from '../state/thing-state.js';
import { ApiKeyRow } from '../tables/entities.js';

export class CreateApiKey {
  @ApiProperty() @IsString() @Length(1, 200) name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true, description: 'What it may do; nothing else' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @IsIn(SCOPES, { each: true })
  scopes!: Scope[];
  @ApiPropertyOptional({
    pattern: USER_ID_PATTERN.source,
    description: 'With it the key sees and makes only what is this owner’s',
  })
  @IsOptional()
  @Matches(USER_ID_PATTERN)
  ownerId?: string;
  @WantedMoment({ description: 'Until when it is good; for ever where it is left out' }) expiresAt?: string;
}

export class ApiKeyView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true }) scopes!: Scope[];
  @ApiPropertyOptional({ description: 'Whose projects it is for; left out where it is for the whole fleet' })
  ownerId?: string;
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
    private readonly owners: Owners,
  ) {}

  @Get()
  @Does('Lists API keys, without their tokens')
  @Needs('api-keys:write', SERVICES)
  @ApiPage(ApiKeyView)
  @ApiProblems()
  async list(@Query() query: PageQuery, @CurrentCaller() caller: Caller): Promise<Page<ApiKeyView>> {
    const rows = this.data.getRepository(ApiKeyRow).createQueryBuilder('api_key');
    const page = await pageOf(ownedBy(caller, rows, 'owner_id'), query, 'oldest-first');
    return { ...page, items: page.items.map(viewOf) };
  }

  @Post()
  @Does(
    'Makes an API key',
    "With the caller's own scopes at most, for no longer than the caller's own token, and ending with the key that has made " +
      'it. A repetition cannot show the token again and is refused.',
  )
  @Needs('api-keys:write', SERVICES)
  @ApiCreatedResponse({ type: NewApiKeyView })
  @ApiProblems(409)
  async create(
    @Body() body: CreateApiKey,
    @CurrentCaller() caller: Caller,
    @Repetition() { idFor, requestedBy, hasKey }: Repeatable,
  ): Promise<NewApiKeyView> {
    mustBeWithin(body, caller);
    const ownerId = ownerBehind(caller) ?? body.ownerId;
    if (body.ownerId !== undefined) this.owners.mustKnow(body.ownerId, caller);
    const makers = caller.kind === 'service' ? await this.makersAfter(caller.id) : [];
    const id = idFor('api-key');
    const token = `bkt_${randomBytes(32).toString('base64url')}`;
    const { name, scopes, expiresAt } = body;
    const data = {
      ...{ name, scopes, tokenHash: tokenHash(token), requestedBy },
      ...(expiresAt ? { expiresAt } : {}),
      ...(makers.length === 0 ? {} : { makers }),
    };
    const created: NewEvent<'api-key'> =
      ownerId === undefined
        ? { thing: 'api-key', type: 'created', data }
        : { thing: 'api-key', type: 'created-for-owner', data: { ...data, ownerId } };
    await createFixture(this.decider, id, created, { requestedBy, hasKey, idFor });
    return { ...viewOf(await this.data.getRepository(ApiKeyRow).findOneByOrFail({ id })), token };
  }

  @Delete(':id')
  @Does('Revokes an API key')
  @HttpCode(204)
  @Needs('api-keys:write', SERVICES)
  @ApiNoContentResponse()
  @ApiProblems(404)
  async revoke(@Id('API key') id: string, @CurrentCaller() caller: Caller): Promise<void> {
    const owner_id = ownerBehind(caller);
    const isTheirs = owner_id === undefined || (await this.data.getRepository(ApiKeyRow).existsBy({ id, owner_id }));
    if (!isTheirs) throw apiKeyNotFound(id);
    const decide = (state: FixtureState | null) => {
      if (state === null) throw apiKeyNotFound(id);
      const data = { requestedBy: caller.name };
      return { events: state.revoked ? [] : [{ thing: 'api-key' as const, type: 'revoked' as const, data }] };
    };
    await this.decider.decide('api-key', id, decide, { by: new Mandate(caller, null) });
  }

  /** The makers of what this key makes. */
  private async makersAfter(keyId: string): Promise<string[]> {
    const { makers } = await this.data.getRepository(ApiKeyRow).findOneByOrFail({ id: keyId });
    if (makers.length < MAX_KEY_MAKERS) return [...makers, keyId];
    const detail = `This key was made by a key that was made by a key, ${MAX_KEY_MAKERS} times. Use one of those.`;
    throw new Rejection('too-many-makers', detail, 409);
  }
}

/** A key outranks and outlives nobody who makes it. @throws {Rejection} `forbidden`, `outlives-maker` */
function mustBeWithin({ scopes, ownerId, expiresAt }: CreateApiKey, caller: Caller): void {
  const beyond = scopes.filter((scope) => !holds(caller, scope));
  if (beyond.length > 0) {
    throw new Rejection('forbidden', `This token cannot give what it does not hold: ${beyond.join(', ')}.`, 403);
  }
  const own = ownerBehind(caller);
  if (own !== undefined && ownerId !== undefined && ownerId !== own) {
    throw new Rejection('forbidden', 'This token can make keys of its own owner only.', 403);
  }
  if (caller.expiresAt === undefined) return;
  if (expiresAt !== undefined && Date.parse(expiresAt) <= caller.expiresAt) return;
  const end = new Date(caller.expiresAt).toISOString();
  throw new Rejection('outlives-maker', `This token ends at ${end}: give the key an expiresAt that is no later.`, 403);
}

function viewOf({ id, name, scopes, owner_id, expires_at, revoked_at, created_at }: ApiKeyRow): ApiKeyView {
  return {
    id,
    name,
    scopes,
    ...(owner_id === null ? {} : { ownerId: owner_id }),
    ...(expires_at === null ? {} : { expiresAt: expires_at }),
    ...(revoked_at === null ? {} : { revokedAt: revoked_at }),
    createdAt: created_at,
  };
}
