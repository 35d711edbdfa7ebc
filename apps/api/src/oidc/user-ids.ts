import { createHmac } from 'node:crypto';

const PREFIX = 'u-';
const PART = 32;
const CHECK = 8;

/**
 * By which ids the people of an OIDC issuer stand in the log, which cannot forget: nobody who lacks the key can tell from
 * an id whose it is, not even by trying names. An id also proves that it was given out here: one that is mistyped or made
 * up is known as such.
 */
export class UserIds {
  constructor(private readonly key: Buffer) {}

  /** @param subject the issuer's name for the person, such as the claim `sub` */
  of(issuer: string, subject: string): string {
    const part = this.hash('user', issuer, subject).slice(0, PART);
    return `${PREFIX}${part}${this.check(part)}`;
  }

  /** Whether `of` may have given the id. */
  knows(id: string): boolean {
    const [, part, check] = /^u-([0-9a-f]{32})([0-9a-f]{8})$/.exec(id) ?? [];
    return part !== undefined && check === this.check(part);
  }

  private check(part: string): string {
    return this.hash('check', part).slice(0, CHECK);
  }

  private hash(...texts: string[]): string {
    return createHmac('sha256', this.key).update(JSON.stringify(texts)).digest('hex');
  }
}

/** Whether the id is to be one of a person, or is easily taken for one; all others are words of the platform. */
export function looksLikeUserId(id: string): boolean {
  return id.toLowerCase().startsWith(PREFIX);
}
