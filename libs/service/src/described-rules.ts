import { getMetadataStorage, ValidationTypes } from 'class-validator';

/** What a validator says of a field, in the words of JSON Schema. */
const IN_SCHEMA: Record<string, (constraints: readonly unknown[]) => Rules> = {
  isLength: ([min, max]) => ({ minLength: min, ...(max === undefined ? {} : { maxLength: max }) }),
  minLength: ([min]) => ({ minLength: min }),
  maxLength: ([max]) => ({ maxLength: max }),
  matches: ([pattern]) => ({ pattern: (pattern as RegExp).source }),
  min: ([min]) => ({ minimum: min }),
  max: ([max]) => ({ maximum: max }),
  isInt: () => ({ type: 'integer' }),
  arrayMinSize: ([min]) => ({ minItems: min }),
  arrayMaxSize: ([max]) => ({ maxItems: max }),
};

type Rules = Record<string, unknown>;
type Describe = (rules: Rules) => PropertyDecorator;

/** Where `@ApiProperty` keeps what it was told. */
const DESCRIBED = 'swagger/apiModelProperties';

/**
 * Has the description of each field say what its validators demand, so that nobody has to say it twice. What is said already
 * stays. Fields that are not described at all are none of a request's.
 *
 * @param describe `@ApiProperty`, given here as the library that has it is loaded late
 */
export function describeRules(describe: Describe): void {
  for (const type of validated()) {
    const rules = getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
    for (const [field, ofField] of Map.groupBy(rules, ({ propertyName }) => propertyName)) {
      const said = Reflect.getMetadata(DESCRIBED, type.prototype as object, field) as Rules | undefined;
      if (said === undefined) continue;
      const own = ofField.filter(({ each, type: kind }) => !each && kind === ValidationTypes.CUSTOM_VALIDATION);
      const found = own.map(({ name = '', constraints }) => IN_SCHEMA[name]?.(constraints as unknown[]) ?? {});
      describe({ ...(Object.assign({}, ...found) as Rules), ...said })(type.prototype as object, field);
    }
  }
}

/** The classes that have validators. The library tells nobody which they are. */
function validated(): Iterable<Type> {
  return (getMetadataStorage() as unknown as { validationMetadatas: Map<Type, unknown> }).validationMetadatas.keys();
}

type Type = new () => object;
