import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { ArrayNotEmpty, IsArray, IsNumber, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { InvalidRequest } from './problem.js';
import { validationPipe } from './validation-pipe.js';

class Body {
  @IsString() @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/) id!: string;
  @IsOptional() @IsNumber() @Min(0) @Max(1) share?: number;
  @IsOptional() @IsArray() @ArrayNotEmpty() scopes?: string[];
  @IsOptional() @IsNumber({}, { message: 'say it so' }) @Min(0, { message: 'say it so' }) wait?: number;
}

async function details(value: object): Promise<string[]> {
  try {
    await validationPipe().transform(value, { type: 'body', metatype: Body });
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
    [{ id: 'a', share: 'all' }, 'share must be a number conforming to the specified constraints'],
    [{ id: 'a', share: 2 }, 'share must not be greater than 1'],
    [{ id: 'a', scopes: [] }, 'scopes should not be empty'],
    [{ id: 'a', wait: 'abc' }, 'say it so'],
  ])('%j: one sentence', async (value, detail) => {
    expect(await details(value)).toEqual([detail]);
  });
});
