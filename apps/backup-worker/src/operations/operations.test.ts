import { describe, expect, it } from '@jest/globals';
import { OPERATION_KINDS, type BackupRecord } from '@buckets/contracts';
import fc from 'fast-check';
import { AttemptFailed, cancelled, type Attempt, type Ending } from './operation.js';
import { Host, turns, type Script } from './testing/host.js';
import { whenNobodyElseUses, whenThereIsRoom } from './waiting.js';

const DONE: Ending = { outcome: 'succeeded' };
const succeed: Script = () => Promise.resolve(DONE);

/** Works until it is cut off. */
const goOnForEver: Script = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

/** Turn by turn of the event loop: a test that waits by the clock would come too late for what it is about. */
async function turnsUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turns();
}

/** A piece of work that a test ends by hand. */
function held(): { script: Script; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  return { script: () => promise, end: () => resolve(DONE) };
}

describe('a cancel reaches an operation', () => {
  it('that waits behind another of its project, and waits no longer', async () => {
    const host = new Host();
    const first = held();
    const behind = host.take('first', first.script);
    const second = host.take('second', succeed);
    await turnsUntil(() => host.operations.doing.running === 1);
    host.cancel('second');
    await second;
    expect(host.claims).toMatchObject([{ operationId: 'second', outcome: 'cancelled' }]);
    first.end();
    await behind;
    expect(host.claimsOf('first')).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it.each(OPERATION_KINDS)('that waits for its first turn, and nothing is touched for it: %s', async (kind) => {
    const host = new Host();
    const first = held();
    const before = host.take('first', first.script, { kind: 'restore' });
    const second = host.take('second', succeed, { kind });
    await turnsUntil(() => host.grants.length === 1);
    host.cancel('second');
    await second;
    expect(host.claimsOf('second')).toMatchObject([{ outcome: 'cancelled' }]);
    first.end();
    await before;
    expect(host.cutOff).toEqual([]);
    expect(host.grants.map(({ operationId }) => operationId)).toEqual(['first']);
  });

  it('that an earlier run of the worker may have begun: what that left is looked at in its turn', async () => {
    const host = new Host();
    const first = held();
    const before = host.take('first', first.script);
    const second = host.take('second', succeed, { redelivered: true });
    await turnsUntil(() => host.grants.length === 1);
    host.cancel('second');
    await turns(20);
    expect([host.cutOff, host.claimsOf('second')]).toEqual([[], []]);
    first.end();
    await Promise.all([before, second]);
    expect(host.cutOff).toEqual(['second']);
    expect(host.claimsOf('second')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('between its first grant and its work: nothing is touched for it', async () => {
    const host = new Host();
    const taken = host.take('op', succeed);
    await turnsUntil(() => host.grants.length === 1);
    // The host is told ahead of the control plane's own answer.
    host.operations.cancel('op');
    await taken;
    expect(host.cutOff).toEqual([]);
    expect(host.claims).toMatchObject([{ outcome: 'cancelled', attemptId: host.grants[0]!.attemptId }]);
  });

  it('that waits until the host has room', async () => {
    const host = new Host();
    const first = held();
    const inRoom =
      (script: Script): Script =>
      (attempt, of) =>
        whenThereIsRoom(attempt, of.budget, { cpus: 1, memoryBytes: 1 }, () => script(attempt, of));
    const large = host.take('large', inRoom(first.script), { projectId: 'one' });
    const next = host.take('next', inRoom(succeed), { projectId: 'two' });
    await turnsUntil(() => host.operations.doing['waiting-for-room'] === 1);
    expect(host.told.at(-1)).toMatchObject({ operationId: 'next', progress: { phase: 'waiting' } });
    host.cancel('next');
    await next;
    expect(host.claimsOf('next')).toMatchObject([{ outcome: 'cancelled' }]);
    expect(host.budget.waitingCount).toBe(0);
    first.end();
    await large;
  });

  it('that waits before it is tried again, with the attempt that it has', async () => {
    const host = new Host();
    const fails: Script = () => {
      // The pause that follows is cut short by the cancel, however long it is.
      setImmediate(() => host.cancel('op'));
      return Promise.reject(new AttemptFailed('killed', 'Killed.', { retry: true }));
    };
    await host.take('op', fails);
    expect(host.claims).toMatchObject([{ outcome: 'cancelled', attemptId: host.grants.at(-1)?.attemptId }]);
  });

  it('that runs, and tells what it and its attempt have left', async () => {
    const host = new Host(() => Promise.resolve(cancelled('Something stays.')));
    const ending = { left: ['A process.'], running: false };
    const run = host.take('op', (attempt, of) =>
      goOnForEver(attempt, of).catch(() => {
        throw new AttemptFailed('cancelled', 'Ended.', { retry: false, ending });
      }),
    );
    await turnsUntil(() => host.operations.doing.running === 1 && host.grants.length === 1);
    await turns(10);
    host.cancel('op');
    await run;
    expect(host.claims).toMatchObject([
      { outcome: 'cancelled', left: ['A process.', 'Something stays.'], running: false },
    ]);
    expect(host.failures).toEqual([]);
  });

  it('before the host knows of it: the grant tells', async () => {
    const host = new Host();
    host.cancel('op');
    let began = false;
    await host.take('op', () => {
      began = true;
      return Promise.resolve(DONE);
    });
    expect(began).toBe(false);
    expect(host.cutOff).toEqual(['op']);
    expect(host.claims).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('ahead of the cancel itself: what asks for confirmation is told', async () => {
    const host = new Host();
    await host.take('op', async ({ confirm }) => {
      host.cancelled.add('op');
      await confirm();
      return DONE;
    });
    expect(host.claims).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('too late, when it has come to its end: that is what is claimed', async () => {
    const host = new Host();
    await host.take('op', () => {
      host.cancel('op');
      return Promise.resolve(DONE);
    });
    expect(host.claims).toMatchObject([{ outcome: 'succeeded' }]);
    expect(host.cutOff).toEqual([]);
  });

  it('too late, when its end was noted before the worker died', async () => {
    const host = new Host();
    await host.take('op', () => Promise.reject(new AttemptFailed('killed', 'Killed.', { retry: true })));
    host.notes.set('op', DONE);
    host.cancel('op');
    host.claims.length = 0;
    await host.take('op', goOnForEver);
    expect(host.claims).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('too late, when it is stuck half-way: no cancel explains that away', async () => {
    const host = new Host();
    await host.take('op', () => {
      host.cancel('op');
      throw new AttemptFailed('switch-stuck', 'Half in place.', { retry: false, halfDone: true });
    });
    expect(host.claims).toMatchObject([{ outcome: 'failed', code: 'switch-stuck' }]);
  });

  it('and is claimed, though what it has left cannot be looked at', async () => {
    const host = new Host(() => Promise.reject(new Error('disk')));
    host.cancel('op');
    await host.take('op', succeed);
    expect(host.claims).toMatchObject([
      { outcome: 'cancelled', left: [expect.stringMatching('could not be looked at')] },
    ]);
  });
});

describe('a backup that stands', () => {
  it('is claimed, whether or not it could be noted', async () => {
    const host = new Host();
    const broken = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    Object.assign(host.disk, { write: broken, remove: broken });
    const backup = { backupId: 'a'.repeat(64), unreadable: { total: 0, first: [] } } as unknown as BackupRecord;
    await host.take('op', () => Promise.resolve({ ...DONE, backup }));
    expect(host.claims).toMatchObject([{ outcome: 'succeeded', backup: { backupId: backup.backupId } }]);
    expect(host.grants).toHaveLength(1);
  });
});

describe('an operation', () => {
  it('that has ended elsewhere is nothing to do, and its note goes', async () => {
    const host = new Host();
    host.notes.set('op', DONE);
    host.ended.add('op');
    await host.take('op', succeed);
    expect(host.claims).toEqual([]);
    expect(host.notes.size).toBe(0);
  });

  it('is tried again, with a word on the failure before, and fails in the end', async () => {
    const host = new Host();
    await host.take('op', () => Promise.reject(new AttemptFailed('killed', 'Killed.', { retry: true })));
    expect(host.grants).toMatchObject([
      { workerId: 'this-run' },
      { workerId: 'this-run', previousFailure: 'killed' },
      { workerId: 'this-run', previousFailure: 'killed' },
    ]);
    expect(host.claims).toMatchObject([{ outcome: 'failed', code: 'killed' }]);
    expect(host.failures).toEqual(['killed', 'killed', 'killed']);
    expect(host.told.filter(({ progress }) => progress.phase === 'waiting')).toHaveLength(2);
  });

  it('has no attempt, and asks for none, while the data root is away: not the first one, nor another', async () => {
    const host = new Host();
    const away = () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      host.ready = promise;
      return resolve;
    };
    let comesBack = away();
    let attempts = 0;
    const run = host.take('op', () => {
      attempts += 1;
      if (attempts === 2) return Promise.resolve(DONE);
      comesBack = away();
      return Promise.reject(new AttemptFailed('data-root-missing', 'It is not mounted.', { retry: true }));
    });
    await turns(20);
    expect([attempts, host.grants.length]).toEqual([0, 0]);
    comesBack();
    await turnsUntil(() => attempts === 1);
    await turns(20);
    expect([attempts, host.grants.length]).toEqual([1, 1]);
    comesBack();
    await run;
    expect(host.claims).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it.each([
    ['for whatever reason', Object.assign(new Error('no such file or directory'), { code: 'ENOENT' })],
    ['and nobody knows why', new AttemptFailed('unknown', 'rustic says nothing that is known.', { retry: true })],
  ])('has an attempt that fails %s while the data root is away tried again when it is back', async (_, failure) => {
    const host = new Host();
    const { promise, resolve: comesBack } = Promise.withResolvers<void>();
    let attempts = 0;
    const run = host.take('op', () => {
      attempts += 1;
      host.dataRootWasAway = attempts === 1 ? 'It is not mounted.' : undefined;
      if (attempts === 2) return Promise.resolve(DONE);
      host.ready = promise;
      return Promise.reject(failure);
    });
    await turnsUntil(() => host.failures.length === 1);
    await turns(20);
    expect([attempts, host.claims]).toEqual([1, []]);
    comesBack();
    await run;
    expect(host.grants.map(({ previousFailure }) => previousFailure)).toEqual([undefined, 'data-root-missing']);
    expect(host.claims).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('that is half in place is no other for the data root being away', async () => {
    const host = new Host();
    host.dataRootWasAway = 'It is not mounted.';
    await host.take('op', () => {
      throw new AttemptFailed('switch-stuck', 'Half in place.', { retry: false, halfDone: true });
    });
    expect(host.claims).toMatchObject([{ outcome: 'failed', code: 'switch-stuck' }]);
  });

  it('is not tried again where that cannot help', async () => {
    const host = new Host();
    await host.take('op', () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' })));
    expect(host.grants).toHaveLength(1);
    expect(host.claims).toMatchObject([{ outcome: 'failed', code: 'disk-full' }]);
  });

  it.each([
    ['stalled', { stallSeconds: 0.05, attemptSeconds: 60 }, goOnForEver],
    ['attempt-limit', { stallSeconds: 60, attemptSeconds: 0.05 }, goOnForEver],
    [
      'attempt-limit',
      { stallSeconds: 0.1, attemptSeconds: 0.3 },
      (attempt: Attempt, host: Host) => {
        const signs = setInterval(attempt.alive, 5);
        return goOnForEver(attempt, host).finally(() => clearInterval(signs));
      },
    ],
  ])('has the limits of its intent: %s', async (code, limits, script) => {
    const host = new Host();
    await host.take('op', script, { limits });
    expect(host.failures).toEqual([code, code, code]);
    expect(host.claims).toMatchObject([{ outcome: 'failed', code }]);
  });

  it('that the worker cuts off by stopping is no failure, and comes again', async () => {
    const host = new Host();
    const taken = host.take('op', goOnForEver);
    await turnsUntil(() => host.grants.length === 1);
    await turns(10);
    host.stopping.abort(new Error('stopping'));
    await expect(taken).rejects.toThrow('stopping');
    expect(host.claims).toEqual([]);
  });
});

describe('whatever operations there are, and at whatever moment they are cancelled', () => {
  type Step = 'work' | 'room' | 'confirm' | 'widen' | 'fail' | 'pass';
  const steps = fc.array(fc.constantFrom<Step>('work', 'room', 'confirm', 'widen', 'fail', 'pass'), { maxLength: 5 });
  const kind = fc.constantFrom('backup', 'restore', 'start', 'stop', 'forget', 'tidy', 'provision');
  const cancelAfter = fc.option(fc.nat({ max: 60 }), { nil: undefined });
  const operation = fc.record({ kind, steps, cancelAfter, project: fc.constantFrom('one', 'two') });

  it('each has one claim, and queue and budget are free in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 6 }), async (operations) => {
        const host = new Host();
        const inRoom = new Set<string>();
        const all = operations.map(async ({ kind: of, steps: plan, cancelAfter: after, project }, index) => {
          const id = `op-${index}`;
          const taken = host.take(id, scriptOf(plan, inRoom), { kind: of, projectId: project });
          if (after !== undefined) {
            // Between any two steps, be they of the event loop or of what it has queued.
            for (let step = 0; step < after; step++) await (step % 3 === 0 ? turns() : Promise.resolve());
            host.cancel(id);
          }
          await taken;
        });
        await Promise.all(all);
        expect(host.operations.idle).toBe(true);
        expect(host.budget.waitingCount).toBe(0);
        await host.budget.spend({ cpus: 1, memoryBytes: 1 }, () => Promise.resolve());
        for (const [index, { cancelAfter: after }] of operations.entries()) {
          const claims = host.claimsOf(`op-${index}`);
          expect(claims).toHaveLength(1);
          if (after === undefined) expect(claims[0]!.outcome).not.toBe('cancelled');
        }
      }),
      { numRuns: 300 },
    );
  });

  /** Never in the room together with another. */
  function scriptOf(plan: readonly Step[], inRoom: Set<string>): Script {
    return async (attempt, host) => {
      const { operationId } = attempt.intent;
      for (const step of plan) {
        attempt.signal.throwIfAborted();
        if (step === 'work') await turns(2);
        if (step === 'confirm') await attempt.confirm();
        if (step === 'widen' && attempt.kind === 'start') await whenNobodyElseUses(attempt, 'repository');
        if (step === 'fail') throw new AttemptFailed('wrong-key', 'No.', { retry: false });
        if (step === 'pass') throw new AttemptFailed('killed', 'Again.', { retry: true });
        if (step !== 'room') continue;
        await whenThereIsRoom(attempt, host.budget, { cpus: 1, memoryBytes: 1 }, async () => {
          expect(inRoom.size).toBe(0);
          inRoom.add(operationId);
          await turns(2);
          inRoom.delete(operationId);
        });
      }
      return DONE;
    };
  }
});
