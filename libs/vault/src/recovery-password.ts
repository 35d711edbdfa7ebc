import { randomBytes } from 'node:crypto';

/** Crockford's digits: none that look alike (no i, l, o, u), one case. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const GROUPS = 8;
const GROUP_LENGTH = 4;

/** A password of 160 random bits that a person can read out and type: `7k3d-…`, eight groups of four. */
export function createRecoveryPassword(): string {
  // 32 digits divide 256 evenly: each is equally likely.
  const digits = [...randomBytes(GROUPS * GROUP_LENGTH)].map((byte) => DIGITS.charAt(byte % DIGITS.length));
  return Array.from({ length: GROUPS }, (_, i) => digits.slice(i * GROUP_LENGTH, (i + 1) * GROUP_LENGTH).join('')).join(
    '-',
  );
}
