import { createHmac } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { idFromKey, newId } from '@buckets/contracts';
import { ApiHeader } from '@nestjs/swagger';
import { Problem } from '@buckets/service';
import { Rejection } from '../problems/rejection.js';
import type { CalledRequest } from '../access/caller.js';

/** How a request is told from its repetition. */
export interface Repeatable {
  requestedBy: string;
  /** HMAC of what was asked for; only where the caller has sent an Idempotency-Key. */
  requestHash?: string;
  /** The id of what the request makes: the same for every copy of the API, and for every repetition with the key. */
  idFor: (purpose: string) => string;
  /** It has a key, under which it may come again or have come before. */
  hasKey: boolean;
  /** It came before under its key. */
  repeats?: boolean;
}

const HEADER = 'Idempotency-Key';

/** What a request stands for, by its optional Idempotency-Key. @throws {Problem} `invalid-idempotency-key` */
export function repeatable(request: CalledRequest): Repeatable & { key?: string } {
  const requestedBy = request.caller.name;
  const key = request.headers[HEADER.toLowerCase()];
  if (key === undefined) return { requestedBy, hasKey: false, idFor: () => newId() };
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem({
      code: 'invalid-idempotency-key',
      status: 400,
      detail: 'An Idempotency-Key has 1 to 255 visible ASCII characters.',
    });
  }
  const asked = JSON.stringify([request.method, request.originalUrl, sorted(request.body)]);
  return {
    requestedBy,
    // Keyed, as a body may hold a secret and the hash is kept.
    requestHash: createHmac('sha256', key).update(asked).digest('hex'),
    idFor: (purpose) => idFromKey(purpose, requestedBy, key),
    hasKey: true,
    repeats: request.repeats ?? false,
    key,
  };
}

/** Hands a route its optional Idempotency-Key. */
export const Repetition = repetition('answered alike');
/** The same, where the answer holds what is told once. */
export const RepetitionOfSecret = repetition('refused after that: what the first answer told is told once');

/** @param again what becomes of a repetition, for the description */
function repetition(again: string): () => ParameterDecorator {
  const description = `The same request again under the same key is done once, and ${again}`;
  const schema = { type: 'string' as const, pattern: '^[\\x21-\\x7e]{1,255}$' };
  return createParamDecorator(
    (_: unknown, context: ExecutionContext): Repeatable =>
      repeatable(context.switchToHttp().getRequest<CalledRequest>()),
    [
      (target, method) =>
        ApiHeader({ name: HEADER, required: false, description, schema })(
          target,
          method!,
          Object.getOwnPropertyDescriptor(target, method!)!,
        ),
    ],
  );
}

/** @throws {Rejection} when a key comes again with another request */
export function sameRequest(first: string | null | undefined, again: string | undefined): void {
  if ((first ?? undefined) === again) return;
  throw new Rejection(
    'idempotency-key-reused',
    'This Idempotency-Key was used for another request. Take a new key for a new request.',
    409,
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
