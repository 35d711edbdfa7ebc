import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { SCOPES, type Scope } from '@buckets/contracts';
import { Needs, OWN } from '../access/access.js';
import { CurrentCaller, ownerBehind, type Caller } from '../access/caller.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does } from '../http/described.js';
import type { Issuer } from '../oidc/issuer.js';
import { ISSUER } from '../oidc/issuer-settings.js';
import { Rejection } from '../problems/rejection.js';

const CALLER_KINDS = ['admin', 'service', 'user'] as const;

export class CallerView {
  @ApiProperty({ enum: CALLER_KINDS, description: "The administrator's token, an API key, or a person" })
  kind!: Caller['kind'];
  @ApiProperty({
    description: 'Opaque. Of a person, what others give a role to; of an API key, the key’s own, which names no user',
  })
  id!: string;
  @ApiProperty({ enum: SCOPES, isArray: true }) scopes!: Scope[];
  @ApiPropertyOptional({
    description: 'Whose projects these scopes are for; left out where they are for the whole fleet',
  })
  ownerId?: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'When the token ends' }) expiresAt?: string;
}

export class NameUser {
  @ApiProperty({
    minLength: 1,
    maxLength: 255,
    description: 'As the issuer has it in the claim that tells people apart',
  })
  @IsString()
  @Length(1, 255)
  subject!: string;
}

export class UserIdView {
  @ApiProperty({ description: 'What projects, members and API keys name the person by' }) id!: string;
}

@ApiTags('users')
@Controller('v1')
export class UsersController {
  constructor(@Inject(ISSUER) private readonly issuer: Issuer | null) {}

  @Get('me')
  @Does('Shows who asks, and what they may')
  @Needs('projects:read', OWN)
  @ApiOkResponse({ type: CallerView })
  @ApiProblems()
  me(@CurrentCaller() caller: Caller): CallerView {
    const { kind, id, scopes, expiresAt } = caller;
    const ownerId = ownerBehind(caller);
    return {
      ...{ kind, id, scopes: [...scopes] },
      ...(ownerId === undefined ? {} : { ownerId }),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    };
  }

  @Post('user-ids')
  @HttpCode(200)
  @Does(
    'Says by which id a person of the OIDC issuer is known here',
    'Before they were ever here, too. Nothing of it is stored, and nobody can tell from the id whose it is.',
  )
  // Whoever could ask for one could find out whose the ids are that they see.
  @Needs('projects:write')
  @ApiOkResponse({ type: UserIdView })
  @ApiProblems(409)
  userId(@Body() { subject }: NameUser): UserIdView {
    if (this.issuer === null) {
      throw new Rejection('no-issuer', 'No OIDC issuer is set up here, so that it has no people.', 409);
    }
    return { id: this.issuer.userId(subject) };
  }
}
