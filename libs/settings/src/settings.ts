import { InvalidValue } from './setting.js';
import type { Environment, Setting } from './setting.js';

/** The settings of one process by the names that its code uses. */
export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The values of settings, as the code sees them. */
export type SettingsOf<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** Says which settings a process has. Groups that processes share are spread into it. */
export function defineSettings<const S extends Settings>(settings: S): S {
  const variables = Object.values(settings).map(({ variable }) => variable);
  const twice = variables.find((variable, index) => variables.indexOf(variable) !== index);
  if (twice !== undefined) throw new Error(`Two settings read the variable ${twice}: give each its own`);
  return Object.freeze(settings);
}

/**
 * Reads all settings from the environment, once, when a process starts.
 * Throws one `SettingsError` that names everything that is wrong.
 */
export function readSettings<S extends Settings>(settings: S, environment: Environment = process.env): SettingsOf<S> {
  const problems: SettingProblem[] = [];
  const values = Object.entries(settings).map(([name, setting]) => {
    try {
      const value = setting.read(environment);
      if (value === undefined && setting.presence === 'required') throw new InvalidValue('is not set');
      return [name, value];
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      problems.push({ variable: setting.variable, problem: error.message, setting });
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(Object.fromEntries(values)) as SettingsOf<S>;
}

export interface SettingProblem {
  readonly variable: string;
  /** What is wrong, as the rest of a sentence that begins with the variable. Never holds a secret. */
  readonly problem: string;
  readonly setting: Pick<Setting<unknown>, 'describe' | 'example'>;
}

/** Thrown at start when settings are missing or wrong; the message lists all of them. */
export class SettingsError extends Error {
  readonly code = 'invalid-settings';

  constructor(readonly problems: readonly SettingProblem[]) {
    const lines = problems.map(
      ({ variable, problem, setting }) =>
        `  ${variable} ${problem}. ${sentence(setting.describe)} Example: ${setting.example}`,
    );
    super(
      [`${problems.length === 1 ? 'One setting needs' : `${problems.length} settings need`} attention:`, ...lines].join(
        '\n',
      ),
    );
    this.name = 'SettingsError';
    // Where it was thrown helps nobody.
    this.stack = String(this);
  }
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
