import { describe, expect, it } from '@jest/globals';
import { HealthChecks } from './health-checks.js';

describe('health checks', () => {
  it('name what is down and why, and what is up', async () => {
    const checks = new HealthChecks();
    checks.register({ name: 'nats', check: () => Promise.resolve() });
    checks.register({ name: 's3', check: () => Promise.reject(new Error('connect ECONNREFUSED')) });
    checks.register({
      name: 'postgres',
      check: () => {
        throw new AggregateError([new Error('no at ::1'), new Error('no at postgres://me:hunter2@h')]);
      },
    });

    await expect(checks.report()).resolves.toEqual({
      status: 'down',
      checks: {
        nats: { status: 'up' },
        s3: { status: 'down', reason: 'connect ECONNREFUSED' },
        postgres: { status: 'down', reason: 'no at ::1; no at postgres://me:[redacted]@h' },
      },
    });
  });

  it('say what stays like that until somebody does something', async () => {
    const checks = new HealthChecks();
    const lost = Object.assign(new Error('There is no log. Restore it.'), { needsOperator: true });
    checks.register({ name: 'log', check: () => Promise.reject(lost) });
    expect((await checks.report()).checks).toEqual({
      log: { status: 'down', reason: 'There is no log. Restore it.', needsOperator: true },
    });
  });

  it('are up when there is nothing to depend on', async () => {
    await expect(new HealthChecks().report()).resolves.toEqual({ status: 'up', checks: {} });
  });

  it('are told to stop when they take too long', async () => {
    const checks = new HealthChecks();
    let aborted = false;
    checks.register({
      name: 'nats',
      check: (signal) => new Promise(() => signal.addEventListener('abort', () => (aborted = true))),
    });

    await expect(checks.report()).resolves.toEqual({
      status: 'down',
      checks: { nats: { status: 'down', reason: 'Asking nats took longer than 2000 ms' } },
    });
    expect(aborted).toBe(true);
  });

  it('are asked once for all who ask together or within half a second', async () => {
    let now = 0;
    let asked = 0;
    const checks = new HealthChecks(() => now);
    checks.register({ name: 'nats', check: () => Promise.resolve(void asked++) });

    await Promise.all([checks.report(), checks.report()]);
    now = 500;
    await checks.report();
    expect(asked).toBe(1);

    now = 501;
    await checks.report();
    expect(asked).toBe(2);
  });

  it('have names of their own', () => {
    const checks = new HealthChecks();
    checks.register({ name: 'nats', check: () => Promise.resolve() });
    expect(() => checks.register({ name: 'nats', check: () => Promise.resolve() })).toThrow('nats');
  });

  it('tell what to see to, and are up all the same', async () => {
    const checks = new HealthChecks();
    checks.warn({ name: 'deadLetters', look: () => Promise.resolve('3 messages could not be read.') });
    checks.warn({ name: 'clock', look: () => Promise.resolve(null) });
    checks.warn({ name: 'disk', look: () => Promise.reject(new Error('no answer')) });
    const warnings = { deadLetters: '3 messages could not be read.', disk: 'Cannot be told: no answer' };
    await expect(checks.report()).resolves.toEqual({ status: 'up', checks: {}, warnings });
    expect(() => checks.warn({ name: 'disk', look: () => Promise.resolve(null) })).toThrow('disk');
  });
});
