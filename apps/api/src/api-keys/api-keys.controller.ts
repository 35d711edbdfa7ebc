import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { MAX_KEY_MAKERS, SCOPES, USER_ID_PATTERN, type NewEvent, type Scope } from '@buckets/contracts';
import { Problem } from '@buckets/service';
import { DataSource, In, IsNull, Not } from 'typeorm';
import { Needs, SERVICES } from '../access/access.js';
import { CurrentCaller, holds, ownerBehind, type Caller } from '../access/caller.js';
import { Mandate } from '../access/mandate.js';
import { Owners } from '../access/owners.js';
import { tokenHash } from '../access/tokens.js';
import { ownedBy } from '../access/visible.js';
import { Decider } from '../decisions/decider.js';
import { mustLookLike } from '../problems/invalid-id.js';
import { apiKeyNotFound } from '../problems/not-there.js';
import { Rejection } from '../problems/rejection.js';
import { createFixture } from '../fixtures/create-fixture.js';
import { ApiProblems } from '../http/api-problem.js';
import { Id } from '../http/identifiers.js';
import { Does, NotBlank } from '../http/described.js';
import { RepetitionOfSecret, type Repeatable } from '../http/idempotency.js';
import { WantedMoment } from '../http/moment.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import type { FixtureState } from '../state/thing-state.js';
import { ApiKeyRow } from '../tables/entities.js';

export class CreateApiKey {
  @ApiProperty() @IsString() @Length(1, 200) @NotBlank() name!: string;
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
  @Matches(USER_ID_PATTERN, mustLookLike(USER_ID_PATTERN))
  ownerId?: string;
  @WantedMoment({ description: 'Until when it is good; for ever where it is left out' }) expiresAt?: string;
}

const KEY_ENDS = ['revoked', 'maker-revoked', 'expired'] as const;
type KeyEnd = (typeof KEY_ENDS)[number];

export class ApiKeyView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true }) scopes!: Scope[];
  @ApiPropertyOptional({ description: 'Whose projects it is for; left out where it is for the whole fleet' })
  ownerId?: string;
  @ApiPropertyOptional({ description: 'As operations name who asked for them: `admin`, `key/<id>` or `user/<id>`' })
  madeBy?: string;
  @ApiPropertyOptional({ format: 'date-time' }) expiresAt?: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'When it was itself revoked' }) revokedAt?: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'Since when it is refused; absent while it is good' })
  endedAt?: string;
  @ApiPropertyOptional({
    enum: KEY_ENDS,
    description: 'Why it is refused: `maker-revoked` where a key was revoked that has made it, or has made its maker',
  })
  endedBecause?: KeyEnd;
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
    const revoked = await this.revokedAmong([...new Set(page.items.flatMap(({ makers }) => makers))]);
    return { ...page, items: page.items.map((row) => viewOf(row, revoked)) };
  }

  @Post()
  @Does(
    'Makes an API key',
    "With the caller's own scopes at most, for no longer than the caller's own token, and ending with the key that has made " +
      'it. The token is shown in this answer only: a repetition under the same Idempotency-Key makes no second key, and is ' +
      'refused (409 `api-key-exists`, which names the key).',
  )
  @Needs('api-keys:write', SERVICES)
  @ApiCreatedResponse({ type: NewApiKeyView })
  @ApiProblems(409)
  async create(
    @Body() body: CreateApiKey,
    @CurrentCaller() caller: Caller,
    @RepetitionOfSecret() { idFor, requestedBy, hasKey }: Repeatable,
  ): Promise<NewApiKeyView> {
    mustBeWithin(body, caller);
    mustBeToCome(body);
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
    const toldOnce =
      `The API key ${id} was made by this request before, and its token was shown then, once. If nobody has it, revoke the ` +
      `key (DELETE /v1/api-keys/${id}) and make another one, under another Idempotency-Key.`;
    await createFixture(this.decider, id, created, { requestedBy, hasKey, idFor }, toldOnce);
    return { ...viewOf(await this.data.getRepository(ApiKeyRow).findOneByOrFail({ id }), []), token };
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

  private async revokedAmong(ids: string[]): Promise<Revoked[]> {
    if (ids.length === 0) return [];
    const where = { id: In(ids), revoked_at: Not(IsNull()) };
    return this.data.getRepository(ApiKeyRow).find({ select: { id: true, revoked_at: true }, where });
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

/** @throws {Problem} `expires-in-the-past`: of a key that would be dead at birth, nobody means the time that it says */
function mustBeToCome({ expiresAt }: CreateApiKey): void {
  if (expiresAt === undefined || Date.parse(expiresAt) > Date.now()) return;
  const now = new Date().toISOString();
  throw new Problem({
    code: 'expires-in-the-past',
    status: 400,
    detail: `expiresAt is ${expiresAt}, which has passed: it is ${now} here. Give a later moment, or leave it out.`,
  });
}

type Revoked = Pick<ApiKeyRow, 'id' | 'revoked_at'>;

/** Since when a key is refused, and why: by what came first. @param revoked keys, its makers among them */
function endOf(
  { revoked_at, expires_at, makers }: ApiKeyRow,
  revoked: readonly Revoked[],
): Pick<ApiKeyView, 'endedAt' | 'endedBecause'> {
  const ends: [string | null, KeyEnd][] = [
    [revoked_at, 'revoked'],
    ...revoked
      .filter(({ id }) => makers.includes(id))
      .map((maker): [string | null, KeyEnd] => [maker.revoked_at, 'maker-revoked']),
    [expires_at !== null && Date.parse(expires_at) <= Date.now() ? expires_at : null, 'expired'],
  ];
  const [first] = ends
    .flatMap(([at, because]) => (at === null ? [] : [{ endedAt: at, endedBecause: because }]))
    .toSorted((a, b) => Date.parse(a.endedAt) - Date.parse(b.endedAt));
  return first ?? {};
}

function viewOf(row: ApiKeyRow, revoked: readonly Revoked[]): ApiKeyView {
  const { id, name, scopes, owner_id, made_by, expires_at, revoked_at, created_at } = row;
  return {
    id,
    name,
    scopes,
    ...(owner_id === null ? {} : { ownerId: owner_id }),
    ...(made_by === null ? {} : { madeBy: made_by }),
    ...(expires_at === null ? {} : { expiresAt: expires_at }),
    ...(revoked_at === null ? {} : { revokedAt: revoked_at }),
    ...endOf(row, revoked),
    createdAt: created_at,
  };
}
