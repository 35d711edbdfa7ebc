import type { NestExpressApplication } from '@nestjs/platform-express';
import { isUtf8 } from 'node:buffer';
import type { RawBodyRequest } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
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
const PROTOTYPE_NAMES = ['__proto__', 'constructor'];

/**
 * Reads JSON bodies of requests and refuses all others, before any route is looked for. No text gets in that could not be
 * kept as it is: what is no UTF-8 would be replaced in silence, in a body and in a query alike. The application has to keep
 * raw bodies.
 */
export function readJsonBodies(app: NestExpressApplication, { maxBytes, isRaw }: BodyOptions): void {
  app.use((request: Request, _: Response, next: NextFunction) => {
    next(!hasBody(request) || isRaw(request) || request.is(JSON_TYPES) ? undefined : new UnsupportedMediaType(request));
  });
  app.useBodyParser('json', {
    limit: maxBytes,
    strict: true,
    type: (request) => !isRaw(request as Request) && Boolean((request as Request).is(JSON_TYPES)),
  });
  app.use((request: RawBodyRequest<Request>, _: Response, next: NextFunction) => {
    next(whatIsWrongWithTheBody(request) ?? whatIsWrongWithTheQuery(request.originalUrl));
  });
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
  try {
    if (at >= 0) decodeURIComponent(address.slice(at));
    return undefined;
  } catch {
    return new InvalidRequest([{ pointer: '', in: 'query', detail: 'it holds a % that begins no character in UTF-8' }]);
  }
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
 * of them hold the process up for seconds), and it drops names that would change an object's prototype.
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
