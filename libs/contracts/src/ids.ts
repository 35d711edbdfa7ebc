import { createHash, randomBytes } from 'node:crypto';

/** What names a region, bucket, host, project, operation or API key: safe as a subject token, a folder and an object key. */
export const ID_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A backup is named by the id of its snapshot, so plain rustic and restic know it by the same name. */
export const BACKUP_ID_PATTERN = /^[0-9a-f]{64}$/;

/**
 * What names a person or an owner where nothing can be forgotten: an opaque word of whoever runs the platform. What looks
 * like a name or an address, with blanks or an @, is none.
 */
export const USER_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:|/-]{0,127}$/;

export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID_PATTERN.test(value);
}

/** A UUIDv7 (RFC 9562): sorts by the moment it was made. */
export function newId(now = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  return uuidText(bytes, 7);
}

/**
 * The id that a caller's idempotency key stands for: the same for every copy of the API and after a rebuild,
 * different for every caller, key and purpose. UUIDv8 (RFC 9562) over SHA-256.
 */
export function idFromKey(purpose: string, caller: string, key: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([purpose, caller, key]))
    .digest();
  return uuidText(hash.subarray(0, 16), 8);
}

/** 128 random bits: nobody can guess the id of another's message and have the server drop it as a duplicate. */
export function newMessageId(): string {
  return randomBytes(16).toString('hex');
}

function uuidText(bytes: Buffer, version: number): string {
  const copy = Buffer.from(bytes);
  copy[6] = (copy[6]! & 0x0f) | (version << 4);
  copy[8] = (copy[8]! & 0x3f) | 0x80;
  const hex = copy.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
