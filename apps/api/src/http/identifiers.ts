import { Injectable, Param, type PipeTransform } from '@nestjs/common';
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
export const Id = (what: string, name = 'id') => Param(name, new IdPipe(what, ID_PATTERN));
export const BackupId = () => Param('backupId', new IdPipe('backup', BACKUP_ID_PATTERN));
