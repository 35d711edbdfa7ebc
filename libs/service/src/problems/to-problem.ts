import { HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { DeadlineExceeded } from '../deadline.js';
import { DependencyUnavailable, InvalidRequest, Problem } from './problem.js';
import { unreachableDependency } from '../unreachable.js';

/** Says which problem an error of the service's own is; undefined for one it does not know. */
export type Translate = (error: unknown) => Problem | undefined;

/**
 * The problem that the caller is told for whatever was thrown, or undefined for an unknown error,
 * of which the caller learns nothing but an id.
 */
export function toProblem(error: unknown, translate: Translate = () => undefined): Problem | undefined {
  if (error instanceof Problem) return error;
  const translated = translate(error);
  if (translated !== undefined) return translated;
  if (error instanceof HttpException) return fromHttpException(error);
  const ofBody = bodyProblem(error);
  if (ofBody !== undefined) return ofBody;
  if (error instanceof DeadlineExceeded) {
    return new Problem({
      code: error.code,
      status: 503,
      detail: `${error.message}. It may still end: look before you try again.`,
      retryAfterSeconds: 5,
      cause: error,
    });
  }
  const dependency = unreachableDependency(error);
  return dependency === undefined ? undefined : new DependencyUnavailable(dependency, { cause: error });
}

function fromHttpException(error: HttpException): Problem | undefined {
  if (error.cause instanceof Problem) return error.cause;
  const status = error.getStatus();
  if (error.cause instanceof URIError) {
    return new InvalidRequest([{ pointer: '', in: 'path', detail: 'the address holds a % that begins no character' }]);
  }
  if (status >= 500) return undefined;
  const reason = STATUS_CODES[status] ?? 'Refused';
  return new Problem({ code: reason.toLowerCase().replaceAll(/[^a-z]+/g, '-'), status, detail: error.message });
}

function bodyProblem(error: unknown): Problem | undefined {
  const type = error instanceof Error ? (error as { type?: unknown }).type : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(BODY_PROBLEMS, type)) return undefined;
  return new Problem({ ...BODY_PROBLEMS[type]!(error as Error), cause: error });
}

/** The errors of reading a body, by the types that the body parser gives them. */
const BODY_PROBLEMS: Record<string, (error: Error) => { code: string; status: number; detail: string }> = {
  'entity.parse.failed': (error) => ({
    code: 'invalid-json',
    status: 400,
    detail: isJson((error as { body?: unknown }).body)
      ? 'The body is JSON, but no object. Send one JSON object, such as {}.'
      : `The body is not valid JSON (${error.message.slice(0, 200)}). Send one JSON object.`,
  }),
  'entity.too.large': () => ({
    code: 'body-too-large',
    status: 413,
    detail: 'The body is larger than this address takes. Send less at once.',
  }),
  'request.aborted': () => ({ code: 'request-aborted', status: 400, detail: 'The body ended too early.' }),
  'request.size.invalid': () => ({
    code: 'invalid-request',
    status: 400,
    detail: 'The body is not as long as its Content-Length says.',
  }),
  'charset.unsupported': unsupportedMediaType,
  'encoding.unsupported': unsupportedMediaType,
};

/** The parser takes objects and lists alone, and says of all else what it would of no JSON. */
function isJson(text: unknown): boolean {
  try {
    JSON.parse(String(text));
    return true;
  } catch {
    return false;
  }
}

function unsupportedMediaType(error: Error): { code: string; status: number; detail: string } {
  return { code: 'unsupported-media-type', status: 415, detail: `${error.message}. Send JSON in UTF-8.` };
}
