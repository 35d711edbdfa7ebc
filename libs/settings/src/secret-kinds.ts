import { readFileSync } from 'node:fs';
import { parseUrl } from './kinds.js';
import { Secret } from './secret.js';
import { InvalidValue } from './setting.js';
import type { Environment, Options, Setting, ValueOf } from './setting.js';

type SecretOptions = Exclude<Options<never>, { readonly default: never }>;

/**
 * A secret, given as the variable itself or, better, as a file named by the variable with `_FILE` behind it
 * (an environment can be read by whoever may see the process). One line end at the end of the file is left out.
 */
export function secret<const O extends SecretOptions>(variable: string, options: O): Setting<ValueOf<Secret, O>> {
  return secretSetting(variable, 'secret', `${variable}_FILE=/run/secrets/name`, options, () => undefined);
}

/** A secret that is an address with a user and password, such as that of a database. */
export function secretUrl<const O extends SecretOptions & { readonly protocols: readonly [string, ...string[]] }>(
  variable: string,
  options: O,
): Setting<ValueOf<Secret, O>> {
  const example = `${options.protocols[0]}//user:password@127.0.0.1/name`;
  return secretSetting(variable, 'secret address', example, options, (text) => {
    parseUrl(text, options.protocols);
  });
}

function secretSetting<O extends SecretOptions>(
  variable: string,
  kind: string,
  example: string,
  options: O,
  check: (text: string) => void,
): Setting<ValueOf<Secret, O>> {
  return {
    variable,
    kind: `${kind}, or a file of it as ${variable}_FILE`,
    describe: options.describe,
    example: options.example ?? example,
    defaultText: undefined,
    presence: options.optional ? 'optional' : 'required',
    read: (environment) => {
      const text = secretText(variable, environment);
      if (text === undefined) return undefined;
      check(text);
      return new Secret(text) as ValueOf<Secret, O>;
    },
  };
}

function secretText(variable: string, environment: Environment): string | undefined {
  const direct = environment[variable] || undefined;
  const file = environment[`${variable}_FILE`] || undefined;
  if (file === undefined) return direct;
  if (direct !== undefined) throw new InvalidValue(`is given twice: remove it or ${variable}_FILE`);
  const text = readSecretFile(variable, file).replace(/\r?\n$/, '');
  if (text === '') throw new InvalidValue(`is empty: the file that ${variable}_FILE names holds nothing`);
  return text;
}

function readSecretFile(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new InvalidValue(`cannot be read from the file that ${variable}_FILE names (${reason})`);
  }
}
