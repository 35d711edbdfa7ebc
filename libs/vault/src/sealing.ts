import { decrypt, encrypt } from './authenticated-encryption.js';
import { VaultUnreadable } from './errors.js';

/** Where a text of people stands: it opens nowhere else. */
export interface TextPlace {
  /** The kind of thing, as in the subjects of the log: `project`. */
  readonly thing: string;
  readonly id: string;
  readonly field: string;
}

/** What is shown for a text whose key was destroyed. */
export const ERASED = '[erased]';

const PREFIX = 'sealed:1:';

/** The text as it may stand in a message that is stored for ever: `sealed:1:<base64url>`. `dataKey` is 32 bytes. */
export function seal(dataKey: Uint8Array, text: string, place: TextPlace): string {
  return PREFIX + encrypt(dataKey, Buffer.from(text, 'utf8'), contextOf(place));
}

/** The text that was sealed with the same key for the same place. Throws `VaultUnreadable` for any other. */
export function open(dataKey: Uint8Array, sealed: string, place: TextPlace): string {
  const bytes = sealed.startsWith(PREFIX) ? decrypt(dataKey, sealed.slice(PREFIX.length), contextOf(place)) : undefined;
  if (bytes === undefined) throw new VaultUnreadable(`The sealed ${place.field} of ${place.thing} ${place.id}`);
  return bytes.toString('utf8');
}

export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

function contextOf({ thing, id, field }: TextPlace): readonly string[] {
  return [PREFIX, thing, id, field];
}
