import { ValidationPipe } from '@nestjs/common';
import type { ArgumentMetadata, ValidationError } from '@nestjs/common';
import { InvalidRequest, UnstorableText } from './problem.js';
import type { InvalidPart } from './problem.js';

/**
 * Checks what callers send against the classes of the handlers' parameters: unknown fields are refused,
 * and nothing is converted that a class does not convert by itself (`@Type`).
 */
export function validationPipe(): ValidationPipe {
  return new RequestValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    transformOptions: { enableImplicitConversion: false },
    exceptionFactory: (errors) => new InvalidFields(errors),
  });
}

/** Carries the validator's findings to where it is known which part of the request they are about. */
class InvalidFields extends Error {
  constructor(readonly errors: readonly ValidationError[]) {
    super('Some fields are not valid');
  }
}

class RequestValidationPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const part = metadata.type === 'query' ? 'query' : metadata.type === 'param' ? 'path' : 'body';
    if (Array.isArray(value) && this.toValidate(metadata)) {
      throw new InvalidRequest([{ pointer: '', in: part, detail: 'an object is expected here, not an array' }]);
    }
    const nulls = part === 'body' ? [...fieldsThatAreNull(value)] : [];
    if (nulls.length > 0) throw new InvalidRequest(nulls.slice(0, MAX_ERRORS));
    try {
      const taken = (await super.transform(value, metadata)) as unknown;
      // It would be replaced in silence, or refused by whoever keeps it.
      if (part === 'body' && holdsUnstorable(value)) throw new UnstorableText();
      return taken;
    } catch (error) {
      if (!(error instanceof InvalidFields)) throw error;
      throw new InvalidRequest([...invalidParts(error.errors, part)].slice(0, MAX_ERRORS));
    }
  }
}

const MAX_ERRORS = 50;

/** Its depth is bounded. */
function holdsUnstorable(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, inner]) => holdsUnstorable(name) || holdsUnstorable(inner));
}

/** To the validator, an optional field that is null is one that was left out; to the code behind it, it is neither. */
function* fieldsThatAreNull(value: unknown, parent = ''): Generator<InvalidPart> {
  for (const [name, field] of Object.entries(value ?? {})) {
    const pointer = `${parent}/${escapedPointer(shortened(name))}`;
    if (field === null) {
      const detail = `${JSON.stringify(shortened(name))} is null: leave the field out, or give it a value`;
      yield { pointer, in: 'body', detail };
    } else if (typeof field === 'object') {
      yield* fieldsThatAreNull(field, pointer);
    }
  }
}

function* invalidParts(
  errors: readonly ValidationError[],
  part: InvalidPart['in'],
  parent = '',
): Generator<InvalidPart> {
  for (const { property = '', value, constraints = {}, children = [] } of errors) {
    const name = shortened(property);
    const pointer = `${parent}/${escapedPointer(name)}`;
    const { whitelistValidation, ...others } = constraints;
    if (whitelistValidation !== undefined) {
      yield { pointer, in: part, detail: `there is no field ${JSON.stringify(name)} here: remove it` };
    } else if (Object.keys(others).length > 0) {
      yield { pointer, in: part, detail: value === undefined ? `${name} is missing` : inWords(name, others) };
    }
    yield* invalidParts(children, part, pointer);
  }
}

/** One sentence: of what has the wrong type, nothing else can be said that makes sense. */
function inWords(name: string, constraints: Record<string, string>): string {
  const ofType = Object.keys(constraints).find((rule) => TYPES.has(rule));
  const said = ofType === undefined ? Object.values(constraints) : [constraints[ofType]!];
  return [...new Set(said)]
    .join('; ')
    .replace(
      `${name} must match ${NAME} regular expression`,
      `${name} must be 1 to 63 of a-z, 0-9 and "-", the first no "-"`,
    )
    .replace(/must contain at least 1 elements$/, 'must not be empty');
}

const TYPES = new Set(['isString', 'isNumber', 'isInt', 'isBoolean', 'isArray', 'isObject', 'nestedValidation']);
/** Of ids, as the validator writes it. */
const NAME = '/^[a-z0-9][a-z0-9-]{0,62}$/';

function shortened(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}

/** As RFC 6901 has it. */
function escapedPointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
