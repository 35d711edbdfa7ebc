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
    const removable = removableFieldsOf(metadata).map((field) => `/${field}`);
    const isMistake = ({ pointer }: InvalidPart): boolean => !removable.includes(pointer);
    const nulls = part === 'body' ? [...fieldsThatAreNull(value)].filter(isMistake) : [];
    if (nulls.length > 0) throw new InvalidRequest(nulls.slice(0, MAX_ERRORS));
    try {
      const taken = (await super.transform(value, metadata)) as unknown;
      // It would be replaced in silence, or refused by whoever keeps it.
      if (part === 'body' && holdsUnstorable(value)) throw new UnstorableText();
      return taken;
    } catch (error) {
      if (!(error instanceof InvalidFields)) throw error;
      const found = [...invalidParts(error.errors, part)].toSorted((a, b) => a.rank - b.rank);
      throw new InvalidRequest(found.slice(0, MAX_ERRORS).map(({ rank: _, ...wrong }) => wrong));
    }
  }
}

const MAX_ERRORS = 50;

const REMOVABLE = Symbol('fields that null takes away');

/** A field of a change that null takes away. In all others null is a mistake. */
export const Removable = (): PropertyDecorator => (type, field) => {
  const others = (Reflect.getMetadata(REMOVABLE, type) ?? []) as string[];
  Reflect.defineMetadata(REMOVABLE, [...others, String(field)], type);
};

function removableFieldsOf({ metatype }: ArgumentMetadata): readonly string[] {
  if (metatype?.prototype === undefined) return [];
  return (Reflect.getMetadata(REMOVABLE, metatype.prototype as object) ?? []) as string[];
}

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

/** What is told first: what is missing, as a field of a wrong name may be meant by what is too much. */
const [MISSING, WRONG, UNKNOWN] = [0, 1, 2];

function* invalidParts(
  errors: readonly ValidationError[],
  part: InvalidPart['in'],
  parent = '',
): Generator<InvalidPart & { rank: number }> {
  for (const { property = '', value, constraints = {}, children = [] } of errors) {
    const name = shortened(property);
    const pointer = `${parent}/${escapedPointer(name)}`;
    const { whitelistValidation, ...others } = constraints;
    if (whitelistValidation !== undefined) {
      yield {
        ...{ rank: UNKNOWN, pointer, in: part },
        detail: `there is no field ${JSON.stringify(name)} here: remove it`,
      };
    } else if (Object.keys(others).length > 0) {
      if (value === undefined) yield { rank: MISSING, pointer, in: part, detail: `${name} is missing` };
      else yield { rank: WRONG, pointer, in: part, detail: inWords(name, others, value, part) };
    }
    yield* invalidParts(children, part, pointer);
  }
}

/** One sentence: of what has the wrong type, nothing else can be said that makes sense. */
function inWords(name: string, constraints: Record<string, string>, value: unknown, part: InvalidPart['in']): string {
  if (part === 'query' && Array.isArray(value)) return `${name} is given ${value.length} times: give it once`;
  const ofType = Object.keys(constraints).find((rule) => TYPES.has(rule));
  // In an address all is text.
  const quoted = part === 'body' && typeof value === 'string' ? ', and is a text: write it without quotes' : '';
  const said = ofType === undefined ? Object.values(constraints) : [constraints[ofType]!];
  return [...new Set(said)]
    .join('; ')
    .replace(
      `${name} must match ${NAME} regular expression`,
      `${name} must be 1 to 63 of a-z, 0-9 and "-", the first no "-"`,
    )
    .replace(/must contain at least 1 elements$/, 'must not be empty')
    .replace(/must be a number conforming to the specified constraints$/, `must be a number${quoted}`)
    .replace(/must be an integer number$/, `must be a whole number${quoted}`)
    .replace(/must be a boolean value$/, `must be true or false${quoted}`);
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
