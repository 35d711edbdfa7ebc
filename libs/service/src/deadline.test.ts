import { describe, expect, it } from '@jest/globals';
import { DeadlineExceeded, waitUntil, withDeadline } from './deadline.js';

describe('work with a deadline', () => {
  it('gives its outcome', async () => {
    await expect(withDeadline(Promise.resolve(1), 1_000, 'Adding')).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(new Error('no')), 1_000, 'Adding')).rejects.toThrow('no');
  });

  it('is told to stop when its time is over, and the caller what took so long', async () => {
    let reason: unknown;
    const endless = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
          reject(new Error('too late to be heard'));
        });
      });

    await expect(withDeadline(endless, 5, 'Asking the oracle')).rejects.toThrow(
      'Asking the oracle took longer than 5 ms',
    );
    expect(reason).toBeInstanceOf(DeadlineExceeded);
  });
});

describe('waiting for a condition', () => {
  it('asks until it holds', async () => {
    let asked = 0;
    await expect(waitUntil(() => ++asked >= 3 && `after ${asked}`, { deadlineMs: 5_000, everyMs: 1 })).resolves.toBe(
      'after 3',
    );
  });

  it('gives up at the deadline and asks no more', async () => {
    let asked = 0;
    const waiting = waitUntil(() => void asked++, { deadlineMs: 10, everyMs: 1, what: 'The moon' });

    await expect(waiting).rejects.toThrow('The moon took longer than 10 ms');
    const askedInTime = asked;
    await new Promise(setImmediate);
    expect(asked).toBe(askedInTime);
  });

  it('ends at once when it is aborted or the condition fails', async () => {
    const reason = new Error('never mind');
    const aborted = waitUntil(() => false, { deadlineMs: 60_000, signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);

    const failing = () => {
      throw reason;
    };
    await expect(waitUntil(failing, { deadlineMs: 60_000 })).rejects.toBe(reason);
  });
});
