import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  boolean,
  bytes,
  choice,
  choices,
  command,
  defineSettings,
  describeSettings,
  duration,
  durations,
  filePath,
  integer,
  port,
  readSettings,
  requiredWith,
  secret,
  secretUrl,
  Secret,
  SettingsError,
  string,
  url,
} from './index.js';
import type { Environment, Setting } from './index.js';

describe('reading settings', () => {
  const settings = defineSettings({
    httpPort: port('HTTP_PORT', { default: 0, describe: 'Where it listens' }),
    name: string('NAME', { describe: 'How it is called' }),
    interval: duration('INTERVAL', { default: '15m', describe: 'Between two rounds' }),
    level: choice('LEVEL', ['info', 'debug'], { optional: true, describe: 'How much it says' }),
  });

  it('gives a frozen object of typed values', () => {
    const values: {
      readonly httpPort: number;
      readonly name: string;
      readonly interval: number;
      readonly level: 'info' | 'debug' | undefined;
    } = readSettings(settings, { HTTP_PORT: '8080', NAME: 'a', LEVEL: 'debug' });

    expect(values).toEqual({ httpPort: 8080, name: 'a', interval: 900_000, level: 'debug' });
    expect(Object.isFrozen(values)).toBe(true);
  });

  it('takes an empty variable as one that is not given', () => {
    expect(readSettings(settings, { NAME: 'a', HTTP_PORT: '', LEVEL: '' })).toMatchObject({
      httpPort: 0,
      level: undefined,
    });
    expect(() => readSettings(settings, { NAME: '' })).toThrow('NAME is not set');
  });

  it('reports everything that is wrong at once, with what the setting is for and an example', () => {
    const problems = problemsOf(() => readSettings(settings, { HTTP_PORT: 'http', INTERVAL: '15', LEVEL: 'loud' }));

    expect(problems).toBe(
      [
        '4 settings need attention:',
        '  HTTP_PORT is "http", expected a whole number from 0 to 65535. Where it listens. Example: 8080',
        '  NAME is not set. How it is called. Example: text',
        '  INTERVAL is "15", expected a duration: a number and one of ms, s, m, h or d. Between two rounds. Example: 15m',
        '  LEVEL is "loud", expected one of info, debug. How much it says. Example: info',
      ].join('\n'),
    );
  });

  it('asks for what another variable needs, and only then', () => {
    const of = defineSettings({
      issuer: string('ISSUER', { optional: true, describe: 'Who' }),
      key: requiredWith('ISSUER', secret('KEY', { optional: true, describe: 'The key' })),
    });
    expect(readSettings(of, {})).toEqual({ issuer: undefined, key: undefined });
    expect(readSettings(of, { ISSUER: 'a', KEY: 'b' }).key?.reveal()).toBe('b');
    expect(problemsOf(() => readSettings(of, { ISSUER: 'a' }))).toMatch(
      /^One setting needs attention:\n {2}KEY is not set, and ISSUER needs it\. The key\./,
    );
  });

  it('names no place in the code, however it is printed', () => {
    let error: unknown;
    try {
      readSettings(settings, {});
    } catch (thrown) {
      error = thrown;
    }
    expect((error as SettingsError).stack).toMatch(
      /^SettingsError: One setting needs attention:\n {2}NAME is not set\..*$/,
    );
  });

  it('refuses two settings that read the same variable, and a default that is not one', () => {
    expect(() => defineSettings({ a: port('PORT', { describe: '' }), b: port('PORT', { describe: '' }) })).toThrow(
      'PORT',
    );
    expect(() => port('PORT', { default: 70_000, describe: '' })).toThrow('65535');
  });

  it('describes itself as a table', () => {
    const table = describeSettings(
      defineSettings({ ...settings, key: secret('KEY', { describe: 'Wraps other | keys' }) }),
    );

    expect(table.split('\n')).toEqual([
      '| Variable | Value | Default | Meaning |',
      '| --- | --- | --- | --- |',
      '| `HTTP_PORT` | port | `0` | Where it listens |',
      '| `NAME` | text | required | How it is called (e.g. `text`) |',
      '| `INTERVAL` | duration | `15m` | Between two rounds |',
      '| `LEVEL` | one of info, debug | optional | How much it says (e.g. `info`) |',
      '| `KEY` | secret, or a file of it as KEY_FILE | required | Wraps other \\| keys (e.g. `KEY_FILE=/run/secrets/name`) |',
      '',
    ]);
  });
});

describe('kinds of settings', () => {
  const options = { describe: 'd' };
  const byName = durations('X', { ...options, names: ['a', 'b'], max: '1h' });
  const accepted: [string, Setting<unknown>, string, unknown][] = [
    ['an address', url('X', options), 'http://127.0.0.1:9000/x', 'http://127.0.0.1:9000/x'],
    [
      'an address of another protocol',
      url('X', { ...options, protocols: ['nats:'] }),
      'nats://h:4222',
      'nats://h:4222',
    ],
    ['a whole number', integer('X', { ...options, min: -5 }), '-5', -5],
    ['milliseconds', duration('X', options), '250ms', 250],
    ['seconds', duration('X', options), '90s', 90_000],
    ['hours, in part', duration('X', options), '1.5h', 5_400_000],
    ['durations by name', byName, 'b=250ms, a = 2m', { b: 250, a: 120_000 }],
    ['some words', choices('X', ['a', 'b', 'c'], options), 'c, a', ['c', 'a']],
    ['bytes', bytes('X', options), '64MiB', 67_108_864],
    ['false', boolean('X', { ...options, default: true }), 'false', false],
    ['a command as JSON', command('X', options), '["/bin/a b", "$x", ""]', ['/bin/a b', '$x', '']],
    ['a command as words', command('X', options), ' /bin/freeze  --now ', ['/bin/freeze', '--now']],
    ['a path', filePath('X', options), '/var//lib/../lib/buckets', '/var/lib/buckets'],
  ];

  it.each(accepted)('accept %s', (_, setting, text, value) => {
    expect(readSettings({ value: setting }, { X: text }).value).toEqual(value);
  });

  const refused: [string, Setting<unknown>, string, string][] = [
    ['an address without a protocol', url('X', options), '127.0.0.1:9000', 'is not an address'],
    ['an address of a wrong protocol', url('X', options), 'ftp://h', 'must begin with http:// or https://'],
    ['a number out of range', integer('X', { ...options, min: 1, max: 9, unit: 'copies' }), '10', 'from 1 to 9 copies'],
    ['a number that is not whole', integer('X', options), '1.5', 'a whole number of at least 0'],
    ['a number too large to be exact', integer('X', options), '99999999999999999999', 'whole number'],
    ['a duration of an unknown unit', duration('X', options), '5y', 'one of ms, s, m, h or d'],
    ['a unit that is only a name of every object', duration('X', options), '5constructor', 'one of ms'],
    ['a word that is not known', choices('X', ['a', 'b'], options), 'a,none', 'holds "none", which is none of a, b'],
    ['no word', choices('X', ['a', 'b'], options), ',', 'holds ""'],
    ['a name that is not known', byName, 'a=1m,c=1m', 'names "c", which is none of a, b'],
    ['a name that is only one of every object', byName, 'constructor=1m', 'which is none of a, b'],
    ['a name without a value', byName, 'a', 'expected a name and a value, such as a=15m'],
    ['a name given twice', byName, 'a=1m,a=2m', 'names a twice'],
    ['a value of a name that is none', byName, 'a=1m,b=2', 'gives b a value that is "2", expected a duration'],
    ['a value of a name out of range', byName, 'b=2h', 'gives b a value that is "2h", expected at most 1h'],
    [
      'a duration out of range',
      duration('X', { ...options, min: '1s', max: '1h' }),
      '2h',
      'at least 1s and at most 1h',
    ],
    ['a size of a decimal unit', bytes('X', options), '64MB', 'one of B, KiB'],
    ['another word for true', boolean('X', options), 'yes', 'expected true or false'],
    ['a command that needs a shell', command('X', options), 'a && b', 'no shell runs it'],
    ['a command that is not an array', command('X', options), '[1]', 'not a JSON array of strings'],
    ['a command of nothing', command('X', options), '[]', 'names no program'],
    ['a relative path', filePath('X', options), 'data', 'expected an absolute path'],
  ];

  it.each(refused)('refuse %s', (_, setting, text, problem) => {
    expect(problemsOf(() => readSettings({ value: setting }, { X: text }))).toContain(problem);
  });

  it('shorten what they repeat', () => {
    expect(
      problemsOf(() => readSettings({ value: integer('X', options) }, { X: 'x'.repeat(10_000) })).length,
    ).toBeLessThan(200);
  });
});

describe('secrets', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'buckets-settings-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const settings = defineSettings({ key: secret('KEY', { describe: 'A key' }) });
  const read = (environment: Environment) => readSettings(settings, environment).key;

  it('come from the variable or from a file', () => {
    const file = join(folder, 'key');
    writeFileSync(file, 'hunter2\n');

    expect(read({ KEY: 'hunter2' }).reveal()).toBe('hunter2');
    expect(read({ KEY_FILE: file }).reveal()).toBe('hunter2');
  });

  it('are refused when given twice, empty or unreadable', () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '\n');

    expect(problemsOf(() => read({ KEY: 'hunter2', KEY_FILE: empty }))).toContain('given twice');
    expect(problemsOf(() => read({ KEY_FILE: empty }))).toContain('is empty');
    expect(problemsOf(() => read({ KEY_FILE: join(folder, 'missing') }))).toContain('ENOENT');
    expect(problemsOf(() => read({}))).toContain('KEY is not set');
  });

  it('never show, however they are printed', () => {
    const value = new Secret('hunter2');

    const shown = [
      String(value),
      `${value}`,
      JSON.stringify({ value }),
      inspect({ value }),
      inspect(value, { showHidden: true }),
    ];
    expect(shown.join()).not.toContain('hunter2');
    expect(shown).toEqual(expect.arrayContaining(['[secret]', '{"value":"[secret]"}']));
  });

  it('never show in problems, even when they stand in an address', () => {
    const addresses = defineSettings({
      open: url('OPEN', { describe: 'd' }),
      database: secretUrl('DATABASE', { protocols: ['postgres:'], describe: 'd' }),
    });

    const problems = problemsOf(() =>
      readSettings(addresses, { OPEN: 'http://me:hunter2@h', DATABASE: 'mysql://me:hunter2@h' }),
    );

    expect(problems).not.toContain('hunter2');
    expect(problems).toContain('OPEN must not hold a user or a password');
    expect(problems).toContain('DATABASE must begin with postgres://');
  });

  it('may be optional', () => {
    const optional: Secret | undefined = readSettings(
      { key: secret('KEY', { optional: true, describe: 'd' }) },
      {},
    ).key;
    expect(optional).toBeUndefined();
  });
});

function problemsOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('Everything was accepted');
}
