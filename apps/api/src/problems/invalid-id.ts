import { BACKUP_ID_PATTERN, ID_PATTERN, USER_ID_PATTERN } from '@buckets/contracts';
import { Problem } from '@buckets/service';

/** @param what the thing that has ids of this pattern, such as `project` */
export function invalidId(what: string, pattern: RegExp): Problem {
  return new Problem({
    code: 'invalid-id',
    status: 400,
    detail: `That is no id of ${withArticle(what)}: ${HOW.get(pattern) ?? `it has to match ${pattern.source}`}.`,
  });
}

/** Their names, not their sounds: of users one says "a user". */
function withArticle(what: string): string {
  return `${/^[aeio]/i.test(what) ? 'an' : 'a'} ${what}`;
}

/** What a field that is to match a pattern has to look like: for people, who do not read patterns. */
export function mustLookLike(pattern: RegExp): { message: string } {
  return { message: `$property is not valid: ${HOW.get(pattern)!}` };
}

const HOW = new Map([
  [ID_PATTERN, 'ids have 1 to 63 lower-case letters, digits and hyphens, and begin with no hyphen'],
  [BACKUP_ID_PATTERN, 'ids of backups have 64 hexadecimal digits'],
  [USER_ID_PATTERN, 'ids of users have 1 to 128 letters, digits and . _ : | / -, and are no names or addresses'],
]);
