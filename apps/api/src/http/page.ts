import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';
import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { Problem } from '@buckets/service';
import { OptionalWhole } from './described.js';
import type { ObjectLiteral } from 'typeorm';
import { firstOf, type Visible } from '../access/visible.js';

/** Which part of a list is wanted. */
export class PageQuery {
  @OptionalWhole({ minimum: 1, maximum: 500, default: 50, description: 'How many at most' })
  @IsOptional()
  @Transform(({ value }) => (typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : (value as unknown)))
  @IsInt({ message: 'limit must be a whole number' })
  @Min(1)
  @Max(500)
  limit?: number;

  @ApiPropertyOptional({ description: 'nextCursor of the page before' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  cursor?: string;
}

export interface Page<Item> {
  items: Item[];
  nextCursor?: string;
}

export const DEFAULT_LIMIT = 50;

/**
 * One page of rows in the order of their positions in the log; cursors stay valid while rows are added.
 *
 * @param by the columns with the positions that rows go by; no two rows are alike in all of them
 */
export async function pageOf<Row extends ObjectLiteral & { position: number }>(
  rows: Visible<Row>,
  { limit = DEFAULT_LIMIT, cursor }: PageQuery,
  order: 'oldest-first' | 'newest-first',
  by: readonly (keyof Row & string)[] = ['position'],
): Promise<Page<Row>> {
  const columns = by.map((column) => `${rows.alias}.${column}`);
  if (cursor !== undefined) {
    const places = by.map((_, index) => `:after${index}`);
    const after = positionsOf(cursor, by.length).map((position, index) => [`after${index}`, position]);
    const sign = order === 'oldest-first' ? '>' : '<';
    rows.andWhere(`(${columns.join(', ')}) ${sign} (${places.join(', ')})`, Object.fromEntries(after) as ObjectLiteral);
  }
  const direction = order === 'oldest-first' ? 'ASC' : 'DESC';
  for (const column of columns) rows.addOrderBy(column, direction);
  const found = await firstOf(rows, limit + 1, direction);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = cursorAt(...by.map((column) => Number(last?.[column])));
  return { items, ...(found.length > limit ? { nextCursor } : {}) };
}

/** The cursor of the page that follows a row with these positions. */
export function cursorAt(...positions: number[]): string {
  return Buffer.from(`p${positions.join('.')}`).toString('base64url');
}

/** @throws {Problem} `invalid-cursor` */
export function positionOf(cursor: string): number {
  return positionsOf(cursor, 1)[0]!;
}

/** @throws {Problem} `invalid-cursor` */
export function positionsOf(cursor: string, count: number): number[] {
  const match = /^p(\d{1,15}(?:\.\d{1,15}){0,9})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const positions = match?.[1]!.split('.').map(Number);
  if (positions?.length === count) return positions;
  throw new Problem({
    code: 'invalid-cursor',
    status: 400,
    detail: 'This cursor is none of ours. Take nextCursor of the page before, or begin without one.',
  });
}

/** Describes an answer that is a page. */
export const ApiPage = (item: Type) =>
  applyDecorators(
    ApiExtraModels(item),
    ApiOkResponse({
      schema: {
        type: 'object',
        required: ['items'],
        properties: {
          items: { type: 'array', items: { $ref: getSchemaPath(item) } },
          nextCursor: { type: 'string', description: 'There is more: give it back as cursor' },
        },
      },
    }),
  );
