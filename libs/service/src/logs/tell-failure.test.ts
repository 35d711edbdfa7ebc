import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { tellFailure } from './tell-failure.js';

function told(error: unknown, isTTY: boolean): { terminal: string; log: string } {
  const heard = { terminal: '', log: '' };
  const log = createLogger('command', { destination: { write: (line) => void (heard.log += line) } });
  tellFailure(error, log, { isTTY, write: (text) => (heard.terminal += text) });
  return heard;
}

describe('why a command has failed', () => {
  it('is one line on a terminal, and not in the log besides', () => {
    const error = new Error('There is no file /f.', { cause: new Error('ENOENT') });
    expect(told(error, true)).toEqual({ terminal: 'error: There is no file /f.\n', log: '' });
  });

  it('is one line of JSON elsewhere, said once and without a stack', () => {
    const { terminal, log } = told(new Error('There is no file /f.'), false);
    expect(terminal).toBe('');
    expect(JSON.parse(log)).toMatchObject({ level: 'fatal', reason: 'There is no file /f.' });
    expect(log.match(/There is no file/g)).toHaveLength(1);
    expect(log).not.toContain('    at ');
  });

  it('tells where it came from when it is a mistake of ours', () => {
    expect(told(new TypeError('x is not a function'), true).terminal).toMatch(/^error: TypeError: x is not.*\n +at /);
  });

  it('holds no password, and says what several addresses have said', () => {
    const all = new AggregateError([new Error('no at ::1'), new Error('no at postgres://me:hunter2@h')]);
    expect(told(all, true).terminal).toMatch(/^error: no at ::1; no at postgres:\/\/me:.*@h\n$/);
    expect(told(all, true).terminal).not.toContain('hunter2');
  });
});
