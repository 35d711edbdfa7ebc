import { join } from 'node:path';

/** The folder of the clone, seen from both src/ and dist/. */
export const CLONE = join(import.meta.dirname, '../..');

/** A program that the set-up has put, checked, into the clone. */
export function tool(name: 'nats-server' | 'weed' | 'rustic'): string {
  return join(CLONE, '.tools', 'bin', name);
}
