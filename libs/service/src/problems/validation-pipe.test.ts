import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import {
  ArrayNotEmpty,
  IsArray,
  IsBoolean,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { InvalidRequest } from './problem.js';
import { Removable, validationPipe } from './validation-pipe.js';

class Body {
  @IsString() @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/) id!: string;
  @IsOptional() @IsNumber() @Min(0) @Max(1) share?: number;
  @IsOptional() @Removable() @IsString() note?: string | null;
  @IsOptional() @IsInt() count?: number;
  @IsOptional() @IsBoolean() sure?: boolean;
  @IsOptional() @IsArray() @ArrayNotEmpty() scopes?: string[];
  @IsOptional() @IsNumber({}, { message: 'say it so' }) @Min(0, { message: 'say it so' }) wait?: number;
}

async function details(value: object, type: 'body' | 'query' = 'body'): Promise<string[]> {
  try {
    await validationPipe().transform(value, { type, metatype: Body });
    return [];
  } catch (error) {
    return ((error as InvalidRequest).extra['errors'] as { detail: string }[]).map(({ detail }) => detail);
  }
}

describe('what is said of a field that is not valid', () => {
  it.each([
    [{}, 'id is missing'],
    [{ id: 'Atlas' }, 'id must be 1 to 63 of a-z, 0-9 and "-", the first no "-"'],
    [{ id: 7 }, 'id must be a string'],
    [{ id: 'a', share: 'all' }, 'share must be a number, and is a text: write it without quotes'],
    [{ id: 'a', share: true }, 'share must be a number'],
    [{ id: 'a', count: 0.5 }, 'count must be a whole number'],
    [{ id: 'a', count: '7' }, 'count must be a whole number, and is a text: write it without quotes'],
    [{ id: 'a', sure: 'yes' }, 'sure must be true or false, and is a text: write it without quotes'],
    [{ id: 'a', share: 2 }, 'share must not be greater than 1'],
    [{ id: 'a', scopes: [] }, 'scopes should not be empty'],
    [{ id: 'a', wait: 'abc' }, 'say it so'],
  ])('%j: one sentence', async (value, detail) => {
    expect(await details(value)).toEqual([detail]);
  });

  it('what is missing is named before what is wrong, and that before what is too much', async () => {
    expect(await details({ nmae: 'x', share: 2 })).toEqual([
      'id is missing',
      'share must not be greater than 1',
      'there is no field "nmae" here: remove it',
    ]);
  });

  it('null is a mistake, but where it takes a field away', async () => {
    expect(await details({ id: 'a', note: null })).toEqual([]);
    expect(await details({ id: 'a', share: null })).toEqual([
      '"share" is null: leave the field out, or give it a value',
    ]);
  });

  it('in an address all is text, and what comes twice is said to', async () => {
    expect(await details({ id: 'a', sure: 'yes' }, 'query')).toEqual(['sure must be true or false']);
    expect(await details({ id: 'a', count: ['1', '2'] }, 'query')).toEqual(['count is given 2 times: give it once']);
  });
});
