import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NotInTime, patience, patient, until } from './index.js';

describe('waiting until something is so', () => {
  let said: string | undefined;
  beforeEach(() => {
    said = process.env['BUCKETS_PATIENCE'];
    process.env['BUCKETS_PATIENCE'] = '1';
  });
  afterEach(() => {
    if (said === undefined) delete process.env['BUCKETS_PATIENCE'];
    else process.env['BUCKETS_PATIENCE'] = said;
  });

  it('looks again and again, and gives what it saw', async () => {
    let looks = 0;
    await expect(until(() => ++looks === 3 && `after ${looks}`, { everyMs: 1 })).resolves.toBe('after 3');
  });

  it('takes a look that throws for nothing to see, and tells the last one when it gives up', async () => {
    const cause = new Error('it is night');
    const waiting = until(() => Promise.reject(cause), { what: 'the moon', withinMs: 5, everyMs: 1 });
    await expect(waiting).rejects.toMatchObject({ code: 'not-in-time', cause });
  });

  it('ends at once, with the reason, when it is told to', async () => {
    const reason = new Error('never mind');
    await expect(until(() => false, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const later = new AbortController();
    const waiting = until(() => later.abort(reason), { withinMs: 60_000, signal: later.signal });
    await expect(waiting).rejects.toMatchObject({ cause: reason });
  });

  it('knows what takes longer here in whole milliseconds', () => {
    process.env['BUCKETS_PATIENCE'] = '2.2';
    expect(patient(180_000)).toBe(396_001);
  });

  it('waits as many times longer as the machine needs', async () => {
    process.env['BUCKETS_PATIENCE'] = '20';
    const waiting = until(() => false, { what: 'the moon', withinMs: 2, everyMs: 1 });
    await expect(waiting).rejects.toThrow(new NotInTime('the moon', 40));
  });
});

describe('patience', () => {
  it.each([
    [{}, 1],
    [{ BUCKETS_PATIENCE: '' }, 1],
    [{ BUCKETS_PATIENCE: '2.5' }, 2.5],
  ])('%j means %d', (environment, times) => expect(patience(environment)).toBe(times));

  it.each(['0', '0.5', '-2', 'much', 'Infinity', '101'])('is refused as %j', (said) =>
    expect(() => patience({ BUCKETS_PATIENCE: said })).toThrow('takes a number from 1 to 100'),
  );
});
