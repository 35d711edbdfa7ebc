import type { CanActivate, ExecutionContext, RawBodyRequest } from '@nestjs/common';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { isUtf8 } from 'node:buffer';
import { InvalidRequest, Problem } from './problem.js';

export interface BodyOptions {
  /** The largest JSON body that is read, in bytes. */
  readonly maxBytes: number;
  /** Routes that read the bytes of their body themselves, whatever their type. */
  readonly isRaw: (request: Pick<Request, 'method' | 'path'>) => boolean;
}

const JSON_TYPES = ['application/json', 'application/*+json'];
const MAX_DEPTH = 32;
const MAX_FIELDS = 1_000;
const MAX_VALUES = 20_000;
/** Validation takes them for fields that there are. */
const PROTOTYPE_NAMES = Object.getOwnPropertyNames(Object.prototype);

/**
 * Reads JSON bodies of requests and refuses all others. It is the last guard: of whom none of the others lets in, nothing is
 * read. No text gets in that could not be kept as it is: what is no UTF-8 would be replaced in silence. Nothing is inflated:
 * a body takes no more memory than was sent.
 */
export class JsonBodies implements CanActivate {
  private readonly parse: RequestHandler;

  constructor(private readonly options: BodyOptions) {
    this.parse = express.json({
      ...{ limit: options.maxBytes, strict: true, inflate: false, type: JSON_TYPES },
      verify: (request: RawBodyRequest<Request>, _, bytes) => {
        request.rawBody = bytes;
      },
    });
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<RawBodyRequest<Request>>();
    if (!hasBody(request) || this.options.isRaw(request)) return true;
    if (!request.is(JSON_TYPES)) throw new UnsupportedMediaType(request);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.parse(request, http.getResponse<Response>(), (error: unknown) =>
      error === undefined ? resolve() : reject(error as Error),
    );
    await promise;
    const wrong = whatIsWrongWithTheBody(request);
    if (wrong !== undefined) throw wrong;
    return true;
  }
}

/** Refuses a query with what is no UTF-8, or no name of anything, before any route is looked for. */
export function refuseUnreadableQueries({ originalUrl }: Request, _: Response, next: NextFunction): void {
  next(whatIsWrongWithTheQuery(originalUrl));
}

function whatIsWrongWithTheBody({ body, rawBody }: RawBodyRequest<Request>): Problem | undefined {
  if (rawBody !== undefined && !isUtf8(rawBody)) {
    return new Problem({ code: 'invalid-json', status: 400, detail: 'The body is not UTF-8. Send JSON in UTF-8.' });
  }
  const detail = whatIsWrongWithTheShape(body);
  return detail === undefined ? undefined : new InvalidRequest([{ pointer: '', in: 'body', detail }]);
}

function whatIsWrongWithTheQuery(address: string): Problem | undefined {
  const at = address.indexOf('?');
  if (at < 0) return undefined;
  const query = address.slice(at);
  try {
    decodeURIComponent(query);
  } catch {
    return new InvalidRequest([{ pointer: '', in: 'query', detail: 'it holds a % that begins no character in UTF-8' }]);
  }
  const fields = new URLSearchParams(query);
  const name = PROTOTYPE_NAMES.find((each) => fields.has(each));
  if (name === undefined) return undefined;
  return new InvalidRequest([{ pointer: '', in: 'query', detail: `there is no "${name}": remove it` }]);
}

class UnsupportedMediaType extends Problem {
  constructor(request: Request) {
    super({
      code: 'unsupported-media-type',
      status: 415,
      detail: `The body is ${request.headers['content-type'] ?? 'of no stated type'}; send Content-Type: application/json.`,
    });
  }
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Looks at what validation cannot bear or see: it recurses, its time grows with the square of an object's fields (50,000
 * of them hold the process up for seconds), and it misses names that every object has.
 */
function whatIsWrongWithTheShape(body: unknown): string | undefined {
  let level = [body];
  let values = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `the body is nested more than ${MAX_DEPTH} levels deep`;
    const objects = level.filter((item) => typeof item === 'object' && item !== null);
    const name = PROTOTYPE_NAMES.find((name) => objects.some((object) => Object.hasOwn(object, name)));
    if (name !== undefined) return `there is no field "${name}" anywhere: remove it`;
    if (objects.some((object) => !Array.isArray(object) && Object.keys(object).length > MAX_FIELDS)) {
      return `an object in the body has more than ${MAX_FIELDS} fields`;
    }
    level = objects.flatMap((object) => Object.values(object) as unknown[]);
    values += level.length;
    if (values > MAX_VALUES) return `the body holds more than ${MAX_VALUES} values: send less at once`;
  }
  return undefined;
}
