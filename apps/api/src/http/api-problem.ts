import { applyDecorators } from '@nestjs/common';
import { PARTIAL_REASONS, type PartialReason } from '@buckets/contracts';
import { Whole } from './described.js';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiResponse, getSchemaPath } from '@nestjs/swagger';

export class InvalidPartAnswer {
  @ApiProperty({ description: 'JSON pointer to what is wrong' }) pointer!: string;
  @ApiProperty({ enum: ['body', 'query', 'path'] }) in!: string;
  @ApiProperty() detail!: string;
}

class OlderBackupAnswer {
  @ApiProperty() backupId!: string;
}

class NewerBackupAnswer extends OlderBackupAnswer {
  @ApiProperty({ enum: PARTIAL_REASONS, isArray: true }) partialBecause!: PartialReason[];
}

export class RestoreChoicesAnswer {
  @ApiProperty({ description: 'The newest good one' }) older!: OlderBackupAnswer;
  @ApiProperty({ description: 'The newest of all, which is suddenly empty or shrunken' }) newer!: NewerBackupAnswer;
}

/** RFC 9457. */
export class ProblemAnswer {
  @ApiProperty() type!: string;
  @ApiProperty() title!: string;
  @Whole({ minimum: 400, maximum: 599 }) status!: number;
  @ApiProperty({ description: 'Stable: programs decide by it', example: 'project-not-found' }) code!: string;
  @ApiProperty({ description: 'For people: what is wrong and what to do next' }) detail!: string;
  @ApiPropertyOptional() instance?: string;
  @ApiPropertyOptional({ type: [InvalidPartAnswer], description: 'Of an invalid request: each part that is wrong' })
  errors?: InvalidPartAnswer[];
  @ApiPropertyOptional({ description: 'Which part of the system is out of reach' }) dependency?: string;
  @ApiPropertyOptional({ type: RestoreChoicesAnswer, description: 'The backups of which the caller has to name one' })
  choices?: RestoreChoicesAnswer;
  @ApiPropertyOptional({ description: 'Names the failure in the log of the service' }) errorId?: string;
}

const MEANING: Partial<Record<number | string, string>> = {
  400: 'The request is not understood',
  401: 'No token, or a wrong one',
  403: 'The token may not do that',
  404: 'There is no such thing',
  409: 'Not as things stand',
  413: 'Too large',
  429: 'Too many at once',
  503: 'A part of the system is out of reach',
};

/**
 * Describes the ways in which a route says no; every route may answer 400, 401, 403 and 503. What else there is, such as
 * a body that is too large or of another type, is a problem too.
 */
export const ApiProblems = (...statuses: number[]) =>
  applyDecorators(
    ApiExtraModels(ProblemAnswer),
    ...[...new Set([400, 401, 403, ...statuses, 503]), 'default' as const].map((status) =>
      ApiResponse({
        status,
        description: MEANING[status] ?? 'Refused',
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemAnswer) } } },
      }),
    ),
  );
