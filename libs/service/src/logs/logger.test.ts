import { describe, expect, it } from '@jest/globals';
import { Secret } from '@buckets/settings';
import { createLogger } from './logger.js';
import type { Logger } from './logger.js';
import { NestLog } from './nest-log.js';
import { readableLine } from './readable.js';

describe('the log', () => {
  it('is one JSON object a line with time, level, service and message', () => {
    const [line] = logged((log) => log.child({ host: 'a' }).warn({ n: 1 }, 'Hello'));
    expect(line).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'warn',
      service: 'test',
      pid: process.pid,
      host: 'a',
      n: 1,
      message: 'Hello',
    });
  });

  it('never shows a secret: not by its field, not in a text, not in an error', () => {
    const secret = 'hunter2';
    const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln';
    const seed = `SU${'A'.repeat(56)}`;
    const lines = logged((log) => {
      log.info(
        {
          headers: { Authorization: secret, cookie: secret, 'x-other': 'seen' },
          repositoryKey: secret,
          credentials: [{ secretAccessKey: secret }],
          wrapped: new Secret(secret),
          deep: { er: { and: { apiToken: secret } } },
          bytes: Buffer.from(secret),
        },
        `GET with Bearer ${secret}, ${token} and ${seed}`,
      );
      log.error(
        { error: new Error(`at postgres://me:${secret}@db/x`, { cause: new Error(`Basic ${secret}`) }) },
        'Failed',
      );
      log.child({ token: secret }).info(`https://s3/x?X-Amz-Signature=${secret}&X-Amz-Date=1`);
    });

    const text = JSON.stringify(lines);
    for (const hidden of [secret, token, seed, Buffer.from(secret).join()]) expect(text).not.toContain(hidden);
    expect(text).toContain('seen');
    expect(lines[1]).toMatchObject({
      error: { message: 'at postgres://me:[redacted]@db/x', cause: { message: 'Basic [redacted]' } },
    });
  });

  it('keeps the ids of keys and the keys of objects', () => {
    expect(logged((log) => log.info({ accessKeyId: 'AK', key: 'projects/a' }, ''))[0]).toMatchObject({
      accessKeyId: 'AK',
      key: 'projects/a',
    });
  });

  it('survives what is circular, deep, long or not JSON', () => {
    const circle: Record<string, unknown> = { big: 1n, many: Array.from({ length: 1_000 }, (_, i) => i) };
    circle['self'] = circle;
    const [line] = logged((log) => log.info(circle, 'Round'));
    expect(line).toMatchObject({ message: 'Round', big: '1' });
    expect(JSON.stringify(line).length).toBeLessThan(10_000);
  });

  it('tells of an outage what is away, and not where that was noticed; of all else both', () => {
    const away = new Error('Query read timeout');
    const unanswered = Object.assign(new Error('Nobody answered.', { cause: away }), { code: 'unanswered' });
    const lines = logged((log) => [away, unanswered, new Error('odd')].forEach((error) => log.warn({ error }, 'No')));
    const stacks = lines.map(({ error }) => [/ at /.test(JSON.stringify(error)), (error as Error).message]);
    expect(stacks).toEqual([
      [false, 'Query read timeout'],
      [false, 'Nobody answered.'],
      [true, 'odd'],
    ]);
  });

  it('takes what the framework says, its wiring as debugging only', () => {
    const lines = logged((log) => {
      const nest = new NestLog(log);
      nest.log('Mapped {/x, GET} route', 'RouterExplorer');
      nest.log('Ready', 'SomeModule');
      nest.error(new Error('broken'), 'SomeModule');
    });
    expect(lines).toMatchObject([
      { level: 'debug', context: 'RouterExplorer' },
      { level: 'info', message: 'Ready', context: 'SomeModule' },
      { level: 'error', message: 'broken', error: { stack: expect.stringContaining('logger.test') } },
    ]);
  });

  it('is readable on a terminal', () => {
    const record = { time: '2025-01-02T03:04:05.678Z', level: 'warn', service: 'api', pid: 1, n: 1, message: 'Hello' };
    expect(readableLine(JSON.stringify(record))).toBe('03:04:05.678 WARN  api: Hello n=1\n');
    const error = { name: 'Error', message: 'x', stack: 'Error: x\n at y' };
    const withStack = '\n  Error: x\n   at y\n';
    expect(readableLine(JSON.stringify({ ...record, level: 'error', error }))).toBe(
      `03:04:05.678 ERROR api: Hello n=1${withStack}`,
    );
    expect(readableLine(JSON.stringify({ ...record, error: { ...error, name: 'TypeError' } }))).toBe(
      `03:04:05.678 WARN  api: Hello n=1${withStack}`,
    );
    expect(readableLine('not JSON\n')).toBe('not JSON\n');
  });

  it('tells on a terminal in one line of what to wait for, with why, and where nothing came from', () => {
    const refused = Object.assign(new AggregateError([new Error('no at ::1'), new Error('no at 127.0.0.1')]), {
      message: '',
    });
    const errors = [
      new Error('Query read timeout'),
      refused,
      new Error('The log cannot be reached.', { cause: new Error('timeout\n  of NATS') }),
    ];
    const lines: string[] = [];
    const log = createLogger('api', { destination: { write: (line) => void lines.push(readableLine(line)) } });
    for (const error of errors) log.warn({ error }, 'Trying again');
    expect(lines.map((line) => line.replace(/^\S+ /, ''))).toEqual([
      expect.stringMatching(/^WARN {2}api: Trying again \(Query read timeout\)\n$/),
      expect.stringMatching(/^WARN {2}api: Trying again \(no at ::1; no at 127\.0\.0\.1\)\n$/),
      expect.stringMatching(/^WARN {2}api: Trying again \(The log cannot be reached\. because: timeout of NATS\)\n$/),
    ]);
  });
});

function logged(say: (log: Logger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  say(createLogger('test', { level: 'debug', destination: { write: (line) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
