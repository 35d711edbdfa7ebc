import { BACKUP_ID_PATTERN, ID_PATTERN, USER_ID_PATTERN } from '@buckets/contracts';
import { Problem } from '@buckets/service';

/** @param what the thing that has ids of this pattern, such as `project` */
export function invalidId(what: string, pattern: RegExp): Problem {
  return new Problem({
    code: 'invalid-id',
    status: 400,
    detail: `That is no id of a ${what}: ${HOW.get(pattern) ?? `it has to match ${pattern.source}`}.`,
  });
}

const HOW = new Map([
  [ID_PATTERN, 'ids have 1 to 63 lower-case letters, digits and hyphens, and begin with no hyphen'],
  [BACKUP_ID_PATTERN, 'ids of backups have 64 hexadecimal digits'],
  [USER_ID_PATTERN, 'ids of users have 1 to 128 letters, digits and . _ : | / -, and are no names or addresses'],
]);
