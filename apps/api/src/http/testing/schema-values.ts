import fc from 'fast-check';

export interface Schema {
  $ref?: string;
  allOf?: Schema[];
  /** With null where that is allowed, too. */
  type?: string | [string, 'null'];
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean;
}

/** The values that a schema allows, and for each thing it demands some that lack just that. */
export class SchemaValues {
  constructor(private readonly schemas: Readonly<Record<string, Schema>>) {}

  allowed(given: Schema): fc.Arbitrary<unknown> {
    const schema = this.resolved(given);
    if (isNullable(schema)) return fc.option(this.allowed({ ...schema, type: schema.type[0] }));
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    const { minimum = -1e9, maximum = 1e9, minItems = 0, maxItems = 5 } = schema;
    switch (schema.type) {
      case 'string':
        return this.text(schema);
      case 'integer':
        return fc.oneof(fc.constantFrom(minimum, maximum), fc.integer({ min: minimum, max: maximum }));
      case 'number':
        return fc.double({ min: minimum, max: maximum, noNaN: true, noDefaultInfinity: true });
      case 'boolean':
        return fc.boolean();
      case 'array':
        return fc.array(this.allowed(schema.items!), {
          minLength: minItems,
          maxLength: Math.min(maxItems, minItems + 5),
        });
      case 'object': {
        const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [name, this.allowed(field)]);
        const requiredKeys = (schema.required ?? []) as never[];
        return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys });
      }
      default:
        throw new Error(`The description says nothing of a type: ${JSON.stringify(schema)}`);
    }
  }

  /** Each with what is wrong about it. */
  forbidden(given: Schema): [what: string, value: unknown][] {
    const schema = this.resolved(given);
    if (isNullable(schema)) {
      return this.forbidden({ ...schema, type: schema.type[0] }).filter(([, value]) => value !== null);
    }
    const some = (): unknown => fc.sample(this.allowed(schema), { numRuns: 1, seed: 7 })[0];
    const { minLength, maxLength, minimum, maximum, minItems, maxItems } = schema;
    const wrong: [string, unknown][] = [['null', null]];
    if (schema.type === 'object') {
      const whole = fc.sample(this.whole(schema), { numRuns: 1, seed: 7 })[0] as Record<string, unknown>;
      for (const name of schema.required ?? []) wrong.push([`no ${name}`, { ...whole, [name]: undefined }]);
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        for (const [what, value] of this.forbidden(field))
          wrong.push([`${name}: ${what}`, { ...whole, [name]: value }]);
      }
      if (schema.additionalProperties === false) wrong.push(['an unknown field', { ...whole, unheardOf: 1 }]);
      return [...wrong, ['a list', [whole]]];
    }
    if (schema.type === 'array') {
      const items = (length: number): unknown[] => Array.from({ length }, () => this.one(schema.items!));
      if (minItems !== undefined && minItems > 0) wrong.push(['too few', items(minItems - 1)]);
      if (maxItems !== undefined) wrong.push(['too many', items(maxItems + 1)]);
      wrong.push(
        ...this.forbidden(schema.items!).map(([what, item]): [string, unknown] => [`of one: ${what}`, [item]]),
      );
      return [...wrong, ['a text', 'text']];
    }
    if (schema.enum !== undefined) return [...wrong, ['none of those', 'unheard-of'], ['a list', [schema.enum[0]]]];
    if (schema.type === 'string') {
      if (minLength !== undefined && minLength > 0) wrong.push(['too short', 'x'.repeat(minLength - 1)]);
      if (maxLength !== undefined) wrong.push(['too long', 'x'.repeat(maxLength + 1)]);
      if (schema.pattern !== undefined) {
        wrong.push(['of another pattern', new RegExp(schema.pattern).test('!! Ü !!') ? '   ' : '!! Ü !!']);
      }
      if (schema.format === 'date-time') wrong.push(['no moment', '2031-W05-1'], ['a day', '2031-02-03']);
      wrong.push(['a NUL character', 'a\0b'], ['half of a surrogate pair', 'a\ud800']);
      return [...wrong, ['a number', 7], ['an object', {}], ['a list', [some()]]];
    }
    if (minimum !== undefined) wrong.push(['too little', minimum - 1]);
    if (maximum !== undefined) wrong.push(['too much', maximum + 1]);
    if (schema.type === 'integer') wrong.push(['no whole number', (minimum ?? 0) + 0.5]);
    return [...wrong, ['a text', 'text'], ['an object', {}]];
  }

  /** With all of its fields. */
  private whole(schema: Schema): fc.Arbitrary<unknown> {
    return this.allowed({ ...schema, required: Object.keys(schema.properties ?? {}) });
  }

  private one(schema: Schema): unknown {
    return fc.sample(this.allowed(schema), { numRuns: 1, seed: 7 })[0];
  }

  private text({ pattern, format, minLength = 0, maxLength = 1_000 }: Schema): fc.Arbitrary<string> {
    const fits = (text: string): boolean => {
      const { length } = [...text];
      return length >= minLength && length <= maxLength && !text.includes('\0') && text.isWellFormed();
    };
    // One that has passed may be refused for what it is.
    if (format === 'date-time')
      return fc
        .date({ min: new Date('2100-01-01'), noInvalidDate: true, max: new Date('9999-12-31') })
        .map((date) => date.toISOString());
    if (pattern !== undefined) return matching(pattern).filter(fits);
    const any = fc.string({ unit: 'binary', minLength, maxLength: Math.min(maxLength, minLength + 30) }).filter(fits);
    return fc.oneof(any, fc.constantFrom('x'.repeat(Math.max(minLength, 1)), '😀'.repeat(maxLength)));
  }

  private resolved(schema: Schema): Schema {
    const parts = [schema, ...(schema.allOf ?? [])].map(({ $ref }) => ($ref === undefined ? {} : this.named($ref)));
    return Object.assign({}, ...parts, schema) as Schema;
  }

  private named(reference: string): Schema {
    const schema = this.schemas[reference.split('/').at(-1)!];
    if (schema === undefined) throw new Error(`The description has no ${reference}.`);
    return schema;
  }
}

function isNullable(schema: Schema): schema is Schema & { type: [string, 'null'] } {
  return Array.isArray(schema.type);
}

/** Texts for a pattern; what may not follow is left to the filter. */
function matching(pattern: string): fc.Arbitrary<string> {
  const whole = new RegExp(pattern);
  return fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?![^)]*\)/g, ''))).filter((text) => whole.test(text));
}
