import { Injectable, Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { BACKUP_ID_PATTERN, ID_PATTERN } from '@buckets/contracts';
import { Problem } from '@buckets/service';

@Injectable()
class IdPipe implements PipeTransform<unknown, string> {
  constructor(
    private readonly what: string,
    private readonly pattern: RegExp,
  ) {}

  transform(value: unknown): string {
    if (typeof value === 'string' && this.pattern.test(value)) return value;
    throw new Problem({
      code: 'invalid-id',
      status: 400,
      detail: `That is no id of a ${this.what}: ${
        this.pattern === ID_PATTERN
          ? 'ids have 1 to 63 lower-case letters, digits and hyphens, and begin with no hyphen'
          : 'ids of backups have 64 hexadecimal digits'
      }.`,
    });
  }
}

/** The `:id` of a route, checked. */
export const Id = (what: string, name = 'id') => parameter(name, what, ID_PATTERN);
export const BackupId = () => parameter('backupId', 'backup', BACKUP_ID_PATTERN);

function parameter(name: string, what: string, pattern: RegExp): ParameterDecorator {
  const schema = { type: 'string' as const, pattern: pattern.source };
  return (target, method, index) => {
    Param(name, new IdPipe(what, pattern))(target, method, index);
    const described = Object.getOwnPropertyDescriptor(target, method!)!;
    ApiParam({ name, schema, description: `Id of the ${what}` })(target, method!, described);
  };
}
