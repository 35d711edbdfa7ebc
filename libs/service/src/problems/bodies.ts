import type { NestExpressApplication } from '@nestjs/platform-express';
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

/** Reads JSON bodies of requests and refuses all others, before any route is looked for. */
export function readJsonBodies(app: NestExpressApplication, { maxBytes, isRaw }: BodyOptions): void {
  app.use((request: Request, _: Response, next: NextFunction) => {
    next(!hasBody(request) || isRaw(request) || request.is(JSON_TYPES) ? undefined : new UnsupportedMediaType(request));
  });
  app.useBodyParser('json', {
    limit: maxBytes,
    strict: true,
    type: (request) => !isRaw(request as Request) && Boolean((request as Request).is(JSON_TYPES)),
  });
  app.use((request: Request, _: Response, next: NextFunction) => {
    const detail = whatIsWrongWithTheShape(request.body);
    next(detail === undefined ? undefined : new InvalidRequest([{ pointer: '', in: 'body', detail }]));
  });
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
