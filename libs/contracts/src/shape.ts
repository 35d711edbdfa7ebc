import { Type, type ClassConstructor } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsInstance,
  IsInt,
  Matches,
  Max,
  Min,
  registerDecorator,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { BACKUP_ID_PATTERN, ID_PATTERN } from './ids.js';

/*
 * What the validator's own decorators let through, and what would then bring a reader down: `null` for an optional
 * field, an array in place of an object, a single value in place of a list, a number that no column holds.
 */

/** The field may be left out; `null` is not leaving it out. */
export const Optional = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

/** An object of this class. */
export const Nested = (type: ClassConstructor<object>): PropertyDecorator =>
  all(
    ValidateNested(),
    IsInstance(type),
    Type(() => type),
    remember({ type }),
  );

/** A list of objects of this class. */
export const NestedList = (type: ClassConstructor<object>, max: number): PropertyDecorator =>
  all(
    IsArray(),
    ArrayMaxSize(max),
    ValidateNested({ each: true }),
    IsInstance(type, { each: true }),
    Type(() => type),
    remember({ type, max }),
  );

/** A list of things that are checked one by one: `@List(2) @IsIn(ROOTS, { each: true })`. */
export const List = (max: number): PropertyDecorator => all(IsArray(), ArrayMaxSize(max));

export const Id = (): PropertyDecorator => Matches(ID_PATTERN);

export const BackupId = (): PropertyDecorator => Matches(BACKUP_ID_PATTERN);

/** Of each in a list. */
export const BackupIds = (): PropertyDecorator => Matches(BACKUP_ID_PATTERN, { each: true });

/** A whole number from `min` up to what a double holds exactly. */
export const Count = (min = 0): PropertyDecorator => all(IsInt(), Min(min), Max(Number.MAX_SAFE_INTEGER));

/** Milliseconds since 1970, of any date that there is. */
export const UnixMs = (): PropertyDecorator => all(IsInt(), Min(-8.64e15), Max(8.64e15));

/** The fencing number of an assignment. */
export const Generation = (): PropertyDecorator => all(IsInt(), Min(1), Max(2 ** 31 - 1));

/** A moment as RFC 3339 has it, the time zone included. */
export const Moment = (): PropertyDecorator => (target, property) =>
  registerDecorator({
    name: 'isMoment',
    target: target.constructor,
    propertyName: property as string,
    validator: { validate: isMoment, defaultMessage: () => `${String(property)} must be a moment as in RFC 3339` },
  });

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export function isMoment(value: unknown): value is string {
  return typeof value === 'string' && RFC_3339.test(value) && !Number.isNaN(Date.parse(value));
}

const [FIRST_MOMENT, LAST_MOMENT] = [Date.parse('0000-01-01T00:00:00.000Z'), Date.parse('9999-12-31T23:59:59.999Z')];

/** The moment that is nearest to so many milliseconds since 1970, whatever number that is: hosts and snapshots say any. */
export function momentAt(at: number): string {
  return new Date(Math.min(Math.max(at, FIRST_MOMENT), LAST_MOMENT)).toISOString();
}

export interface NestedField {
  type: ClassConstructor<object>;
  /** Of a list: how many there may be. */
  max?: number;
}

const NESTED = new Map<object, Map<string, NestedField>>();

/** What the class says of a field that holds objects. */
export function nestedField(type: ClassConstructor<object>, property: string): NestedField | undefined {
  for (let proto = type.prototype as object | null; proto !== null; proto = Object.getPrototypeOf(proto) as object) {
    const field = NESTED.get(proto)?.get(property);
    if (field !== undefined) return field;
  }
  return undefined;
}

function remember(field: NestedField): PropertyDecorator {
  return (target, property) => {
    NESTED.set(target, (NESTED.get(target) ?? new Map<string, NestedField>()).set(property as string, field));
  };
}

function all(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (target, property) => decorators.forEach((decorate) => decorate(target, property));
}
