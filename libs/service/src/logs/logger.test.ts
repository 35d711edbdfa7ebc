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
    expect(readableLine(JSON.stringify({ ...record, error: { stack: 'Error: x\n at y' } }))).toBe(
      '03:04:05.678 WARN  api: Hello n=1\n  Error: x\n   at y\n',
    );
    expect(readableLine('not JSON\n')).toBe('not JSON\n');
  });
});

function logged(say: (log: Logger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  say(createLogger('test', { level: 'debug', destination: { write: (line) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
