import { describe, expect, it } from '@jest/globals';
import {
  beganEvent,
  cancelRequestedEvent,
  created,
  event,
  expectRejection,
  given,
  HERE,
  READY,
  recordedEvent,
  requestedEvent,
  said,
  snapshot,
} from '../state/testing/given.js';
import {
  beginAttempt,
  confirmAttempt,
  initialiseRepository,
  MAX_ATTEMPTS,
  unknownBackups,
  type Attempt,
} from './attempt.js';

const attempt: Attempt = { ...HERE, operationId: 'op-1', attemptId: 'at-1' };
const asked = [...READY, requestedEvent('op-1', 'backup')];
const begun = [...asked, beganEvent('op-1', 'backup', 'at-1')];

const overtaken: [string, Attempt, string][] = [
  ['another host', { ...attempt, hostId: 'h2' }, 'overtaken'],
  ['an earlier generation', { ...attempt, generation: 1 }, 'overtaken'],
  ['a later generation', { ...attempt, generation: 3 }, 'overtaken'],
  ['an unknown operation', { ...attempt, operationId: 'op-9' }, 'operation-ended'],
  ['what objects have anyway', { ...attempt, operationId: 'constructor' }, 'operation-ended'],
];

describe('an attempt', () => {
  it('begins, with a number of its own', () => {
    expect(beginAttempt(given(...asked), 'p1', attempt)).toEqual({
      attempt: 1,
      events: [beganEvent('op-1', 'backup', 'at-1')],
      intents: [],
    });
    expect(beginAttempt(given(...begun), 'p1', { ...attempt, attemptId: 'at-2' })).toMatchObject({
      attempt: 2,
      events: [beganEvent('op-1', 'backup', 'at-2', 2)],
    });
  });

  it('says whose it is, and what became of the one before', () => {
    const about = { workerId: 'w1', previousFailure: 'disk-full' };
    expect(beginAttempt(given(...begun), 'p1', { ...attempt, attemptId: 'at-2', ...about }).events).toEqual([
      event('backup-began', { operationId: 'op-1', hostId: 'h1', attempt: 2, attemptId: 'at-2', ...about }),
    ]);
  });

  it('begins where a cancel was asked for: its host has to say what was left', () => {
    const state = given(...begun, cancelRequestedEvent('op-1', 'backup'));
    expect(beginAttempt(state, 'p1', { ...attempt, attemptId: 'at-2' }).attempt).toBe(2);
  });

  it('is the same one when its host asks again', () => {
    expect(beginAttempt(given(...begun), 'p1', attempt)).toEqual({ attempt: 1, events: [], intents: [] });
  });

  it.each(overtaken)('does not begin for %s', (_, other, code) => {
    expectRejection(() => beginAttempt(given(...asked), 'p1', other), code, 409);
  });

  it('does not begin for an operation that has ended, or a project that is not there', () => {
    const state = given(...begun, event('backup-failed', { operationId: 'op-1' }));
    expectRejection(() => beginAttempt(state, 'p1', { ...attempt, attemptId: 'at-2' }), 'operation-ended', 409);
    expectRejection(() => beginAttempt(null, 'p1', attempt), 'project-not-found', 404);
  });

  it('does not begin for ever: after too many the operation has failed, and says why', () => {
    const many = Array.from({ length: MAX_ATTEMPTS }, (_, i) => beganEvent('op-1', 'backup', `at-${i}`, i + 1));
    const state = given(...asked, ...many);
    const verdict = beginAttempt(state, 'p1', { ...attempt, attemptId: 'at-new' });
    expect(verdict.attempt).toBeNull();
    expect(verdict.events).toEqual([
      event('backup-failed', {
        operationId: 'op-1',
        attempt: MAX_ATTEMPTS,
        code: 'too-many-attempts',
        reason: expect.stringContaining(`${MAX_ATTEMPTS} times`) as unknown as string,
      }),
    ]);
    // The last one that did begin still has the say.
    expect(beginAttempt(state, 'p1', { ...attempt, attemptId: `at-${MAX_ATTEMPTS - 1}` }).attempt).toBe(MAX_ATTEMPTS);
  });
});

describe('the confirmation of an attempt', () => {
  it('is given to the one that has the say', () => {
    expect(() => confirmAttempt(given(...begun), 'p1', attempt)).not.toThrow();
  });

  it.each(overtaken)('is not given to %s', (_, other, code) => {
    expectRejection(() => confirmAttempt(given(...begun), 'p1', other), code, 409);
  });

  it('is not given before the attempt began, after a later one did, or after the end', () => {
    expectRejection(() => confirmAttempt(given(...asked), 'p1', attempt), 'overtaken', 409);
    const later = given(...begun, beganEvent('op-1', 'backup', 'at-2', 2));
    expectRejection(() => confirmAttempt(later, 'p1', attempt), 'overtaken', 409);
    const ended = given(...begun, event('backup-expired', { operationId: 'op-1' }));
    expectRejection(() => confirmAttempt(ended, 'p1', attempt), 'operation-ended', 409);
    expectRejection(() => confirmAttempt(null, 'p1', attempt), 'project-not-found', 404);
  });
});

describe('the confirmation of an attempt that is to be cancelled', () => {
  it('is not given, whichever attempt it is', () => {
    const state = given(...begun, cancelRequestedEvent('op-1', 'backup'));
    expectRejection(() => confirmAttempt(state, 'p1', attempt), 'cancel-requested', 409);
    const again = given(...begun, cancelRequestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-2', 2));
    expectRejection(() => confirmAttempt(again, 'p1', { ...attempt, attemptId: 'at-2' }), 'cancel-requested', 409);
  });
});

describe('snapshots that are no backups', () => {
  const tidy = [...READY, recordedEvent(1), requestedEvent('op-2', 'backup'), requestedEvent('op-1', 'tidy')];
  const begun = given(...tidy, beganEvent('op-1', 'tidy', 'at-1'));
  const backupIds = [snapshot(1), snapshot(2)];
  const operationIds = ['op-0', 'op-2', 'op-9'];
  const ENDED = new Set(['op-0']);

  it('are told apart for the attempt that has the say, beside what may make one yet, and what has ended', () => {
    expect(unknownBackups(begun, 'p1', attempt, { backupIds, operationIds }, ENDED)).toEqual({
      backupIds: [snapshot(2)],
      openOperations: ['op-2', 'op-1'],
      endedOperations: ['op-0'],
    });
  });

  it('have an open operation, whatever a table says of its end', () => {
    const { endedOperations } = unknownBackups(begun, 'p1', attempt, { backupIds, operationIds }, new Set(['op-2']));
    expect(endedOperations).toEqual([]);
  });

  it('are not told to a host that does not say who made them: it would remove all of them', () => {
    expect(unknownBackups(begun, 'p1', attempt, { backupIds }, ENDED)).toMatchObject({ backupIds: [] });
  });

  it.each(overtaken)('are not told to %s', (_, other, code) => {
    expectRejection(() => unknownBackups(begun, 'p1', other, { backupIds, operationIds }, ENDED), code, 409);
  });

  it('are not told to an earlier attempt', () => {
    const earlier = { ...attempt, attemptId: 'at-0' };
    expectRejection(() => unknownBackups(begun, 'p1', earlier, { backupIds, operationIds }, ENDED), 'overtaken', 409);
  });
});

describe('a repository', () => {
  it('is the one that was stated first, for everybody', () => {
    const first = initialiseRepository(given(...begun), 'p1', attempt, snapshot('a'));
    expect(first).toEqual({
      configId: snapshot('a'),
      events: [event('repository-initialised', { configId: snapshot('a'), operationId: 'op-1' })],
      intents: [],
    });
    const second = initialiseRepository(given(...begun, ...first.events), 'p1', attempt, snapshot('b'));
    expect(second).toEqual({ configId: snapshot('a'), events: [], intents: [] });
  });

  it.each(overtaken)('is not stated by %s', (_, other, code) => {
    expectRejection(() => initialiseRepository(given(...begun), 'p1', other, snapshot('a')), code, 409);
  });

  it('is not stated for a project that is not there', () => {
    expectRejection(() => initialiseRepository(null, 'p1', attempt, snapshot('a')), 'project-not-found', 404);
    expect(said({ events: [event('created', created)], intents: [] })).toEqual(['created']);
  });
});
