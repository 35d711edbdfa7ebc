import { isNativeError } from 'node:util/types';

/**
 * Which part of the system an error says is out of reach: `postgres`, `nats` or `s3`; undefined for every other error.
 *
 * The log and the object storage have errors of their own for this. The NATS client's are known by their names and
 * Postgres's by their SQLSTATE. What remains is a socket that failed: only TypeORM lets those through as they are.
 */
export function unreachableDependency(error: unknown): string | undefined {
  if (!isNativeError(error)) return undefined;
  const { code, errors, driverError } = error as Error & { code?: unknown; errors?: unknown; driverError?: unknown };
  if (typeof code === 'string') {
    if (Object.hasOwn(DEPENDENCIES_BY_CODE, code)) return DEPENDENCIES_BY_CODE[code];
    if (UNAVAILABLE_SQL_STATE.test(code) || SOCKET_FAILURES.has(code)) return 'postgres';
  }
  if (POSTGRES_CLIENT_MESSAGES.has(error.message)) return 'postgres';
  // A request that was aborted by time has the name of one that NATS did not answer.
  if (NATS_ERRORS.has(error.name) && !(error instanceof DOMException)) return 'nats';
  // A host with several addresses fails once for each of them.
  return unreachableDependency(driverError ?? (Array.isArray(errors) ? errors[0] : undefined));
}

const DEPENDENCIES_BY_CODE: Readonly<Record<string, string>> = {
  'log-unreachable': 'nats',
  'object-storage-unreachable': 's3',
};

/** Connection exceptions (08), insufficient resources (53), a statement that took too long, operator intervention (57P). */
const UNAVAILABLE_SQL_STATE = /^(08[0-9A-Z]{3}|53[0-9]{3}|57014|57P0[1-5])$/;

const POSTGRES_CLIENT_MESSAGES: ReadonlySet<string> = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Query read timeout',
]);

const NATS_ERRORS: ReadonlySet<string> = new Set([
  'ClosedConnectionError',
  'ConnectionError',
  'DrainingConnectionError',
  'NoResponders',
  'RequestError',
  'TimeoutError',
]);

const SOCKET_FAILURES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);
