import { applyDecorators, HttpCode } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiOperation,
  ApiProperty,
  type ApiPropertyOptions,
} from '@nestjs/swagger';
import type { Type } from '@nestjs/common';
import { IsInt, IsOptional, Matches, Max, Min } from 'class-validator';

/** What a route does, in a sentence; further ones go into the description. */
export const Does = (summary: string, description?: string) =>
  ApiOperation({ summary, ...(description === undefined ? {} : { description }) });

/** A field of a whole number. */
export const Whole = (options: ApiPropertyOptions = {}) =>
  ApiProperty({ ...options, type: 'integer' } as ApiPropertyOptions);
export const OptionalWhole = (options: ApiPropertyOptions = {}) =>
  Whole({ ...options, required: false } as ApiPropertyOptions);

/** Of a text for people: not of blanks alone, which shows as nothing. */
export const NotBlank = () => Matches(/\S/, { message: '$property has blanks only: give it a text' });

/** A whole number within bounds that a caller may send, described and checked. */
export const WantedWhole = ({ minimum, maximum, ...described }: WholeWanted) =>
  applyDecorators(OptionalWhole({ minimum, maximum, ...described }), IsOptional(), IsInt(), Min(minimum), Max(maximum));

interface WholeWanted {
  minimum: number;
  maximum: number;
  default?: number;
  description?: string;
}

const LOCATION = { Location: { description: 'Where it is from now on', schema: { type: 'string' as const } } };

/** A route that makes something and answers with it. */
export const Creates = (type: Type) => ApiCreatedResponse({ type, headers: LOCATION });

/** A route that begins what takes long, and answers with the operation. */
export const Begins = (type: Type) => applyDecorators(HttpCode(202), ApiAcceptedResponse({ type, headers: LOCATION }));
