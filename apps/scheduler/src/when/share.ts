import { createHash } from 'node:crypto';

/** From 0 to just below 1, always the same for an id: so that what falls due together is spread. Pure. */
export function shareOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE(0) / 2 ** 32;
}
