import { isNativeError } from 'node:util/types';

/** What an error says to people. */
export function reasonOf(error: unknown): string {
  // A connection that was tried on several addresses fails with an aggregate that has no message of its own.
  if (!isNativeError(error)) return String(error);
  const { message, errors } = error as Error & { errors?: unknown };
  return message === '' && Array.isArray(errors) ? errors.map(reasonOf).join('; ') : message;
}
