type Schema = Record<string, unknown>;

interface Described {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Content };
  responses: Record<string, { content?: Content }>;
  security?: unknown[];
  operationId: string;
}

type Content = Record<string, { schema?: Schema }>;

export interface OpenApi {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
}

export interface Route {
  method: string;
  /** With its parameters in braces. */
  path: string;
  described: Described;
}

/** Judges answers by the API's own description. What the description does not name must not be there. */
export class Description {
  readonly routes: readonly Route[];

  constructor(readonly document: OpenApi) {
    this.routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({ method: method.toUpperCase(), path, described })),
    );
  }

  /** The route that takes a request, if the description has one. */
  routeOf(method: string, path: string): Route | undefined {
    const bare = path.replace(/[?#].*/s, '');
    return this.routes.find(
      (route) => route.method === method && new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`).test(bare),
    );
  }

  /** What of an answer is other than described; empty when it is as promised. */
  objections(route: Route, { status, headers, body }: { status: number; headers: Headers; body: unknown }): string[] {
    const { responses } = route.described;
    const described = responses[status] ?? (status >= 400 ? responses['default'] : undefined);
    if (described === undefined) return [`the status ${status} is not described`];
    const type = headers.get('content-type')?.replace(/;.*/, '');
    if (described.content === undefined) return isEmpty(body) ? [] : [`a body of ${type} is not described`];
    const content = described.content[type ?? ''];
    if (content === undefined) return [`the type ${type} is not described for ${status}`];
    if (type === 'text/event-stream')
      return eventsIn(body).flatMap((event) => this.#ofEvent(content.schema ?? {}, event));
    if (!type!.includes('json')) return [];
    return this.differences(content.schema ?? {}, body, '').slice(0, 5);
  }

  /** How a value differs from a schema. */
  differences(schema: Schema, value: unknown, at: string): string[] {
    if ('$ref' in schema) return this.differences(this.#resolved(String(schema['$ref'])), value, at);
    if (Array.isArray(schema['allOf'])) {
      return (schema['allOf'] as Schema[]).flatMap((each) => this.differences(each, value, at));
    }
    const wrong = (what: string) => [`${at || '/'}: ${what}, found ${JSON.stringify(value)?.slice(0, 200)}`];
    if (Array.isArray(schema['enum']) && !schema['enum'].includes(value)) return wrong('none of the enum');
    switch (schema['type']) {
      case 'object':
        return isObject(value) ? this.#fieldDifferences(schema, value, at) : wrong('no object');
      case 'array':
        if (!Array.isArray(value)) return wrong('no array');
        return value.flatMap((item, index) => this.differences(schema['items'] as Schema, item, `${at}/${index}`));
      case 'string':
        if (typeof value !== 'string') return wrong('no string');
        return schema['format'] === 'date-time' && Number.isNaN(Date.parse(value)) ? wrong('no date') : [];
      case 'integer':
      case 'number':
        if (typeof value !== 'number') return wrong('no number');
        return value < Number(schema['minimum'] ?? -Infinity) || value > Number(schema['maximum'] ?? Infinity)
          ? wrong('out of range')
          : [];
      case 'boolean':
        return typeof value === 'boolean' ? [] : wrong('no boolean');
      default:
        return [`${at || '/'}: the description says nothing of its type`];
    }
  }

  /** References of the document that lead nowhere. */
  brokenReferences(): string[] {
    const references = [...JSON.stringify(this.document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name!);
    return [...new Set(references)].filter((name) => this.#find(name) === undefined);
  }

  /** Each event is described as an object; what its data are is one of several. */
  #ofEvent(schema: Schema, event: Record<string, string>): string[] {
    const { contentSchema } = (schema['properties'] as Record<string, Schema>)['data']!;
    const kinds = (contentSchema as { oneOf: Schema[] }).oneOf;
    const data = JSON.parse(event['data']!) as unknown;
    const wrong = kinds.map((kind) => this.differences(kind, data, `/${event['event']}`));
    return [
      ...this.differences(schema, event, '/event'),
      ...(wrong.some((each) => each.length === 0) ? [] : wrong.flat()),
    ].slice(0, 5);
  }

  #fieldDifferences(schema: Schema, value: Record<string, unknown>, at: string): string[] {
    const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
    const missing = ((schema['required'] ?? []) as string[]).filter((name) => !Object.hasOwn(value, name));
    return [
      ...missing.map((name) => `${at}/${name}: is missing`),
      ...Object.entries(value).flatMap(([name, inner]) => {
        if (Object.hasOwn(properties, name)) return this.differences(properties[name]!, inner, `${at}/${name}`);
        const others = schema['additionalProperties'];
        if (others === undefined) return [`${at}/${name}: is not described`];
        return others === true ? [] : this.differences(others as Schema, inner, `${at}/${name}`);
      }),
    ];
  }

  #resolved(reference: string): Schema {
    const schema = this.#find(reference);
    if (schema === undefined) throw new RangeError(`The description has no ${reference}.`);
    return schema;
  }

  #find(reference: string): Schema | undefined {
    return this.document.components.schemas[reference.replace('#/components/schemas/', '')];
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As the HTML standard takes a stream apart. */
function eventsIn(body: unknown): Record<string, string>[] {
  const text = Buffer.from(body as Uint8Array).toString();
  return text
    .split('\n\n')
    .filter((event) => event !== '' && !event.startsWith(':'))
    .map((event) => Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2))) as never);
}

function isEmpty(body: unknown): boolean {
  return body instanceof Uint8Array && body.length === 0;
}
