import { isNativeError } from 'node:util/types';
import { unreachableDependency } from '../unreachable.js';

/**
 * The value as it may be logged: fields whose names say that they are secret and texts that look like a secret are
 * replaced, errors become plain objects, bytes their number, and what is very deep or long is cut.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return maskText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[…]';
  if (isNativeError(value)) return redactError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1);
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `[${value.length - MAX_ITEMS} more]`] : items;
  }
  return redactFields(value, depth);
}

/** The text without what looks like a credential: authorization values, passwords in addresses, signatures, JWTs, seeds. */
export function maskText(text: string): string {
  return SECRET_TEXTS.reduce((masked, [pattern, replacement]) => masked.replaceAll(pattern, replacement), text);
}

const MAX_DEPTH = 6;
const MAX_ITEMS = 100;

function redactFields(value: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      SECRET_NAME.test(name) && field !== undefined && field !== null ? '[redacted]' : redact(field, depth + 1),
    ]),
  );
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause, errors } = error as Error & { errors?: unknown };
  return {
    ...redactFields(error, depth),
    name,
    message: maskText(message),
    ...(isOutage(error) ? {} : { stack: maskText(stack ?? '') }),
    ...(errors === undefined ? {} : { errors: redact(errors, depth + 1) }),
    ...(cause === undefined ? {} : { cause: redact(cause, depth + 1) }),
  };
}

/** A part that is away, or late, as is foreseen: where that was noticed says nothing more, over and over. */
function isOutage(error: Error): boolean {
  return unreachableDependency(error) !== undefined || OUTAGES.has((error as { code?: unknown }).code);
}

const OUTAGES: ReadonlySet<unknown> = new Set([
  'deadline-exceeded',
  'dependency-unavailable',
  'projection-behind',
  'unanswered',
]);

/** Not every `key` is a secret: those of objects in a bucket and the ids of access keys are not. */
const SECRET_NAME =
  /authorization|cookie|token|secret|passw|passphrase|credential|seed|jwt|signature|(api|data|master|platform|private|repository|signing)[-_]?key$/i;

const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 [redacted]'],
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+@/gi, '$1[redacted]@'],
  [/([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|token|access_token|sig)=)[^&\s"]+/gi, '$1[redacted]'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[redacted]'],
  [/\bS[ACNOUX][A-Z2-7]{56}\b/g, '[redacted]'],
];
