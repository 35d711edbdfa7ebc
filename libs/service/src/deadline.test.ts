import { describe, expect, it } from '@jest/globals';
import { DeadlineExceeded, withDeadline } from './deadline.js';

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
