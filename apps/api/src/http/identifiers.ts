import { Injectable, Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { BACKUP_ID_PATTERN, ID_PATTERN, USER_ID_PATTERN } from '@buckets/contracts';
import { invalidId } from '../problems/invalid-id.js';

@Injectable()
class IdPipe implements PipeTransform<unknown, string> {
  constructor(
    private readonly what: string,
    private readonly pattern: RegExp,
  ) {}

  transform(value: unknown): string {
    if (typeof value === 'string' && this.pattern.test(value)) return value;
    throw invalidId(this.what, this.pattern);
  }
}

/** The `:id` of a route, checked. */
export const Id = (what: string, name = 'id') => parameter(name, what, ID_PATTERN);
export const BackupId = () => parameter('backupId', 'backup', BACKUP_ID_PATTERN);
export const UserId = () => parameter('userId', 'user', USER_ID_PATTERN);

function parameter(name: string, what: string, pattern: RegExp): ParameterDecorator {
  const schema = { type: 'string' as const, pattern: pattern.source };
  return (target, method, index) => {
    Param(name, new IdPipe(what, pattern))(target, method, index);
    const described = Object.getOwnPropertyDescriptor(target, method!)!;
    ApiParam({ name, schema, description: `Id of the ${what}` })(target, method!, described);
  };
}
