/** One environment variable: how it is called, what it means and how its text becomes a value. */
export interface Setting<T> {
  readonly variable: string;
  /** What the value is, for people: `port`, `duration, at least 1s`. */
  readonly kind: string;
  readonly describe: string;
  /** A text that the variable accepts. Shown with every problem. */
  readonly example: string;
  /** What holds without the variable, in the variable's own syntax. */
  readonly defaultText: string | undefined;
  readonly presence: 'required' | 'optional' | 'default';
  /** The value given in this environment; undefined when it is not given. Throws `InvalidValue`. */
  readonly read: (environment: Environment) => T | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a setting is not usable. The message says what is expected; it never holds a secret. */
export class InvalidValue extends Error {}

/** What every setting says about itself. `D` is how a default is written in code. */
export type Options<D> = { readonly describe: string; readonly example?: string } & (
  | { readonly default: D; readonly optional?: never }
  | { readonly optional: true; readonly default?: never }
  | { readonly optional?: never; readonly default?: never }
);

/** The type of a setting's value: only an optional one can be missing. */
export type ValueOf<T, O> = O extends { readonly optional: true } ? T | undefined : T;

/** How a kind of setting turns text into a value. */
export interface Kind<T> {
  readonly name: string;
  readonly example: string;
  /** Throws `InvalidValue`. */
  readonly parse: (text: string) => T;
}

/** A setting whose text is in the variable itself. An empty variable counts as not given, as compose files leave it. */
export function setting<T, O extends Options<unknown>>(
  variable: string,
  kind: Kind<T>,
  options: O,
): Setting<ValueOf<T, O>> {
  const defaultText = options.default === undefined ? undefined : toText(options.default);
  const defaultValue = defaultText === undefined ? undefined : kind.parse(defaultText);
  return {
    variable,
    kind: kind.name,
    describe: options.describe,
    example: options.example ?? kind.example,
    defaultText,
    presence: options.optional ? 'optional' : defaultText === undefined ? 'required' : 'default',
    read: (environment) => {
      const text = environment[variable];
      return (text === undefined || text === '' ? defaultValue : kind.parse(text)) as ValueOf<T, O> | undefined;
    },
  };
}

/** An optional setting that has to be given where another variable is. */
export function requiredWith<T>(other: string, optional: Setting<T>): Setting<T> {
  return {
    ...optional,
    read: (environment) => {
      const value = optional.read(environment);
      if (value === undefined && environment[other]) throw new InvalidValue(`is not set, and ${other} needs it`);
      return value;
    },
  };
}

function toText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
