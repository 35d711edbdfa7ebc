import { describe, expect, it } from '@jest/globals';
import { readIntent, encode, envelope, intentTypeName, type NewEvent } from '@buckets/contracts';
import {
  AT,
  backedUp,
  beganEvent,
  created,
  doubted,
  event,
  expectRejection,
  given,
  HERE,
  LIMITS,
  READY,
  recordedEvent,
  requestedEvent,
  said,
  snapshot,
} from '../state/testing/given.js';
import { acceptBackup } from './accept-backup.js';
import { createProject, updateProject } from './create-project.js';
import { MAX_OPEN_OPERATIONS, requestOperation, SCHEDULER, type OperationRequest } from './request-operation.js';

const initialised = event('repository-initialised', { configId: snapshot('a'), operationId: 'op-b' });
const by = { requestedBy: 'key/k1' };
const request = (kind: OperationRequest['kind'], params: Record<string, unknown> = {}, operationId = 'op-1') => ({
  operationId,
  kind,
  params,
  limits: LIMITS,
  at: AT,
  by,
});
const ask = (state: Parameters<typeof requestOperation>[0], ...of: Parameters<typeof request>) =>
  requestOperation(state, 'p1', request(...of));

describe('a new project', () => {
  const command = {
    projectId: 'p1',
    data: { ...created, requestHash: 'h' },
    operationId: 'op-0',
    adopt: true,
    limits: LIMITS,
    at: AT,
  };

  it('has its data made on its host', () => {
    const { events, intents } = createProject(null, command);
    expect(events).toEqual([
      { thing: 'project', type: 'created', data: command.data },
      {
        thing: 'project',
        type: 'provision-requested',
        data: {
          operationId: 'op-0',
          ...HERE,
          params: { adopt: true },
          limits: LIMITS,
          requestedBy: 'admin',
          requestHash: 'h',
        },
      },
    ]);
    expect(intents).toEqual([
      {
        kind: 'provision',
        hostId: 'h1',
        projectId: 'p1',
        data: { operationId: 'op-0', generation: 2, requestedAt: AT, adopt: true, limits: LIMITS },
      },
    ]);
  });

  it('is made once when the same request comes again', () => {
    const state = given(event('created', command.data));
    expect(said(createProject(state, command))).toEqual([]);
  });

  it.each([
    ['under another request', { ...created, requestHash: 'other' }],
    ['under no key', created],
  ])('is refused when there is one of that name: %s', (_, data) => {
    const state = given(event('created', command.data));
    expectRejection(() => createProject(state, { ...command, data }), 'project-exists', 409);
  });

  it('can be changed once it is there', () => {
    const change = { requestedBy: 'admin', backupIntervalMinutes: 5 };
    expect(updateProject(given(...READY), 'p1', change).events).toEqual([event('updated', change)]);
    expectRejection(() => updateProject(null, 'p1', change), 'project-not-found', 404);
  });
});

describe('an operation that is asked for', () => {
  it('becomes a fact and an intent to the host of the project', () => {
    const { events, intents } = ask(given(...READY), 'backup', { consistency: 'live' });
    expect(events).toEqual([
      event('backup-requested', {
        operationId: 'op-1',
        ...HERE,
        params: { consistency: 'live' },
        limits: LIMITS,
        ...by,
      }),
    ]);
    expect(intents).toEqual([
      {
        kind: 'backup',
        hostId: 'h1',
        projectId: 'p1',
        data: { operationId: 'op-1', generation: 2, requestedAt: AT, consistency: 'live', limits: LIMITS },
      },
    ]);
  });

  it('cannot pass another operation or generation off as its own', () => {
    const params = { operationId: 'op-9', generation: 9, requestedAt: 'never', limits: 'none' };
    const { intents } = ask(given(...READY), 'stop', params);
    expect(intents[0]!.data).toEqual({ operationId: 'op-1', generation: 2, requestedAt: AT, limits: LIMITS });
  });

  it('is one that its host can read, whatever its kind', () => {
    const state = given(...READY, initialised, recordedEvent(1), recordedEvent(2));
    const params = {
      restore: { backupId: snapshot(1) },
      forget: { backupId: snapshot(1) },
      tidy: { remove: true, graceSeconds: 60 },
    };
    for (const kind of ['backup', 'restore', 'start', 'stop', 'forget', 'tidy'] as const) {
      const [intent] = ask(state, kind, kind in params ? params[kind as 'restore'] : {}).intents;
      const fields = { source: 's', type: intentTypeName(kind), subject: 'host/h1/project/p1' };
      expect(readIntent(`buckets.intent.h1.p1.${kind}`, encode(envelope(fields, intent!.data)))).toMatchObject(intent!);
    }
  });

  it('is the same one when it comes again', () => {
    const state = given(...READY, requestedEvent('op-1', 'stop'));
    expect(said(ask(state, 'stop'))).toEqual([]);
    expect(said(ask(state, 'backup'))).toEqual([]);
  });

  it('is refused for a project that is not there', () => {
    for (const kind of ['backup', 'start', 'stop'] as const) {
      expectRejection(() => ask(null, kind), 'project-not-found', 404);
    }
    expectRejection(() => requestOperation(null, '<script>', request('stop')), 'project-not-found', 404);
  });

  it('is refused beyond fifty that are open', () => {
    const open = Array.from({ length: MAX_OPEN_OPERATIONS }, (_, i) => requestedEvent(`op-${i + 1}`, 'stop'));
    const state = given(...READY, ...open);
    expectRejection(() => ask(state, 'stop', {}, 'op-new'), 'too-many-operations', 429);
    expect(said(ask(state, 'stop', {}, 'op-50'))).toEqual([]);
    expect(said(ask(given(...READY, ...open.slice(1)), 'stop', {}, 'op-new'))).toEqual(['stop-requested', '→ stop']);
  });

  it('may have a name that objects know anyway', () => {
    expect(said(ask(given(...READY), 'stop', {}, 'constructor'))).toEqual(['stop-requested', '→ stop']);
  });
});

describe('a backup', () => {
  it('is refused where there are no data', () => {
    expectRejection(() => ask(given(event('created', created)), 'backup'), 'project-has-no-data', 409);
  });

  describe('where there are no data says what helps', () => {
    const refusedAfter = (...events: NewEvent<'project'>[]): unknown => {
      try {
        return ask(given(event('created', created), ...events), 'backup');
      } catch (error) {
        return error;
      }
    };
    const asked = requestedEvent('op-0', 'provision', { adopt: false });
    const began = beganEvent('op-0', 'provision', 'at-0');

    it.each([
      ['waits', [asked]],
      ['is under way', [asked, began]],
    ])('to wait for its provision, which %s', (_, events) => {
      expect(refusedAfter(...events)).toMatchObject({
        code: 'project-has-no-data',
        message: expect.stringContaining('Wait for the operation provisionOperationId'),
        extra: { provisionOperationId: 'op-0' },
      });
    });

    it.each(['cancelled', 'failed', 'expired'] as const)('to start it after its provision has %s', (outcome) => {
      const ended = event(`provision-${outcome}`, { operationId: 'op-0', attempt: 1 });
      const refusal = refusedAfter(asked, began, ended);
      expect(refusal).toMatchObject({ message: expect.stringContaining('Start it, which makes them') });
      expect(refusal).not.toMatchObject({ message: expect.stringContaining('restore') });
    });

    it('to wait for what may bring them back', () => {
      const moved = event('assigned', { hostId: 'h1', generation: 3, requestedBy: 'admin' });
      expect(refusedAfter(...READY.slice(1), moved)).toMatchObject({
        message: expect.stringContaining('Start or restore it first'),
      });
      expect(refusedAfter(...READY.slice(1), moved, requestedEvent('op-2', 'start'))).toMatchObject({
        message: expect.stringContaining('a start may bring them'),
        extra: { operationId: 'op-2' },
      });
    });
  });

  it.each(['start', 'stop', 'restore', 'backup', 'forget'] as const)('may be asked for during a %s', (kind) => {
    expect(said(ask(given(...READY, requestedEvent('op-2', kind)), 'backup'))).toEqual([
      'backup-requested',
      '→ backup',
    ]);
  });
});

describe('a backup of a stopped project', () => {
  const stopped = { consistency: 'stopped' };
  const running = event('start-succeeded', { operationId: 'op-x', running: true });
  const backUp = (...events: typeof READY) => ask(given(...READY, ...events), 'backup', stopped);

  it('is refused while it runs, or is being started', () => {
    expectRejection(() => backUp(running), 'project-is-running', 409);
    expectRejection(() => backUp(requestedEvent('op-2', 'start')), 'project-is-running', 409);
    expect(said(ask(given(...READY, running), 'backup', { consistency: 'live' }))).toContain('backup-requested');
  });

  it('may be asked for once it is stopped, or is being stopped', () => {
    expect(said(backUp())).toContain('backup-requested');
    expect(said(backUp(running, requestedEvent('op-2', 'stop')))).toContain('backup-requested');
  });
});

describe('the deletion of the last good backup', () => {
  const flagged = recordedEvent(2, 'op-c', { partialBecause: ['empty'] });
  const forget = (events: typeof READY, digit: number, although?: 'last-good-backup') =>
    requestOperation(given(...READY, ...events), 'p1', {
      ...request('forget', { backupId: snapshot(digit) }),
      although,
    });

  it('is refused, and done for whoever says so', () => {
    for (const all of [[recordedEvent(1)], [recordedEvent(1), flagged]]) {
      expectRejection(() => forget(all, 1), 'last-good-backup', 409);
      expect(said(forget(all, 1, 'last-good-backup'))).toContain('forget-requested');
    }
    const others = requestedEvent('op-2', 'forget', { backupId: snapshot(2) });
    expectRejection(() => forget([recordedEvent(1), recordedEvent(2), others], 1), 'last-good-backup', 409);
  });

  it('is that of no other', () => {
    expect(said(forget([recordedEvent(1), recordedEvent(3)], 3))).toContain('forget-requested');
    expect(said(forget([recordedEvent(1), recordedEvent(3)], 1))).toContain('forget-requested');
    expect(said(forget([recordedEvent(1), flagged], 2))).toContain('forget-requested');
  });
});

describe('a restore', () => {
  const withBackup = [...READY, recordedEvent(1)];
  const restore = (...events: typeof READY) =>
    ask(given(...withBackup, ...events), 'restore', { backupId: snapshot(1) });

  it('names a backup of this project', () => {
    expect(said(restore())).toEqual(['restore-requested', '→ restore']);
    for (const backupId of [snapshot(2), undefined, 'latest', 'constructor', 7]) {
      expectRejection(() => ask(given(...withBackup), 'restore', { backupId }), 'backup-not-found', 404);
    }
  });

  it('is refused while the project runs, or is being started', () => {
    const running = event('start-succeeded', { operationId: 'op-x', running: true });
    const stopped = event('stop-succeeded', { operationId: 'op-y', running: false });
    expectRejection(() => restore(running), 'project-is-running', 409);
    expectRejection(() => restore(requestedEvent('op-2', 'start')), 'project-is-running', 409);
    expect(said(restore(running, stopped))).toEqual(['restore-requested', '→ restore']);
  });

  it('is refused when its backup is being deleted', () => {
    const forget = requestedEvent('op-2', 'forget', { backupId: snapshot(1) });
    expectRejection(() => restore(forget), 'backup-being-deleted', 409);
  });

  it('keeps a start from being asked for', () => {
    const state = given(...withBackup, requestedEvent('op-2', 'restore', { backupId: snapshot(1) }));
    expectRejection(() => ask(state, 'start'), 'project-is-being-restored', 409);
    expect(said(ask(given(...withBackup), 'start', { allowEmpty: true }))).toEqual(['start-requested', '→ start']);
  });
});

describe('a start', () => {
  const small = [...backedUp(1), ...backedUp(2, { partialBecause: ['shrunken'] })];
  const lost = { dataAreMissing: true };
  const start = (events: readonly (typeof READY)[number][], params = {}, about = {}) =>
    requestOperation(given(...events), 'p1', { ...request('start', params), ...about });

  it('that would restore an older backup than the newest, which is flagged, has to say which one', () => {
    const state = [...READY, ...small];
    const refused = { code: 'newer-backups-are-flagged', status: 409 };
    const choices = {
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(2), partialBecause: ['shrunken'] },
    };
    const thrown = (decide: () => unknown): unknown => {
      try {
        return decide();
      } catch (error) {
        return error;
      }
    };
    expect(thrown(() => start(state, {}, lost))).toMatchObject({ ...refused, extra: { choices } });
    expect(thrown(() => start(state, { allowEmpty: true }, lost))).toMatchObject(refused);
    const neverThere = [event('created', created), ...small];
    expect(thrown(() => start(neverThere))).toMatchObject(refused);
    for (const { backupId } of [choices.older, choices.newer]) {
      const { events, intents } = start(state, { backupId }, lost);
      expect(events[0]!.data).toMatchObject({ params: { backupId } });
      expect(intents[0]!.data).toMatchObject({ backupId });
    }
  });

  it('has to say nothing where its data are there, or the newest backup is accepted or good', () => {
    const accepted = event('backup-accepted', { backupId: snapshot(2), because: 'asked-for', requestedBy: 'a' });
    const started = ['start-requested', '→ start'];
    expect(said(start([...READY, ...small]))).toEqual(started);
    expect(said(start([...READY, ...small, accepted], {}, lost))).toEqual(started);
    expect(said(start([...READY, ...small, ...backedUp(3)], {}, lost))).toEqual(started);
    expect(said(start(READY, {}, lost))).toEqual(started);
  });

  it('may name a backup of this project that nobody is deleting', () => {
    const forget = requestedEvent('op-2', 'forget', { backupId: snapshot(1) });
    expectRejection(() => start([...READY, ...small], { backupId: snapshot(3) }), 'backup-not-found', 404);
    expectRejection(() => start([...READY, ...small, forget], { backupId: snapshot(1) }), 'backup-being-deleted', 409);
  });
});

describe('a backup that is accepted', () => {
  const accept = (backupId: string, ...events: typeof READY) =>
    acceptBackup(given(...READY, ...events), 'p1', { backupId, requestedBy: 'key/k1' });

  it('becomes so by a fact that says by whom', () => {
    const flagged = backedUp(1, { partialBecause: ['empty', 'unreadable-files'] });
    const { events, intents } = accept(snapshot(1), ...flagged);
    expect(events).toEqual([
      event('backup-accepted', { backupId: snapshot(1), because: 'asked-for', requestedBy: 'key/k1' }),
    ]);
    expect(intents).toEqual([]);
    expect(said(accept(snapshot(1), ...flagged, ...events))).toEqual([]);
  });

  it('needs no word where nothing is suspicious about it', () => {
    expect(said(accept(snapshot(1), ...backedUp(1)))).toEqual([]);
    expect(said(accept(snapshot(1), ...backedUp(1, { partialBecause: ['unreadable-files'] })))).toEqual([]);
  });

  it('has to be there, and to stay', () => {
    const flagged = backedUp(1, { partialBecause: ['shrunken'] });
    const forget = requestedEvent('op-2', 'forget', { backupId: snapshot(1) });
    expectRejection(() => accept(snapshot(2), ...flagged), 'backup-not-found', 404);
    expectRejection(() => accept('constructor', ...flagged), 'backup-not-found', 404);
    expectRejection(() => accept(snapshot(1), ...flagged, forget), 'backup-being-deleted', 409);
    expectRejection(() => accept(snapshot(1), ...flagged, ...doubted(1)), 'backup-in-doubt', 409);
    const nobody = { backupId: snapshot(1), requestedBy: 'a' };
    expectRejection(() => acceptBackup(null, 'p1', nobody), 'project-not-found', 404);
  });
});

describe('the deletion of a backup', () => {
  const forget = (backupId: unknown, ...events: typeof READY) =>
    ask(given(...READY, recordedEvent(1), recordedEvent(2), ...events), 'forget', { backupId });

  it('names a backup of this project', () => {
    expect(said(forget(snapshot(1)))).toEqual(['forget-requested', '→ forget']);
    expectRejection(() => forget(snapshot(3)), 'backup-not-found', 404);
  });

  it('waits for a restore that uses it, and for a start, which may', () => {
    const restore = requestedEvent('op-2', 'restore', { backupId: snapshot(1) });
    expectRejection(() => forget(snapshot(1), restore), 'backup-in-use', 409);
    expect(said(forget(snapshot(2), restore))).toEqual(['forget-requested', '→ forget']);
    expectRejection(() => forget(snapshot(2), requestedEvent('op-2', 'start')), 'backup-in-use', 409);
  });

  it('that no person has asked for is never of the backup that a start would restore', () => {
    const shrunken = backedUp(3, { partialBecause: ['shrunken'] });
    const state = given(...READY, ...backedUp(1), ...backedUp(2), ...shrunken);
    const byScheduler = (id: number) =>
      requestOperation(state, 'p1', {
        ...request('forget', { backupId: snapshot(id) }),
        by: { requestedBy: SCHEDULER },
      });
    expectRejection(() => byScheduler(2), 'last-good-backup', 409);
    for (const id of [1, 3]) expect(said(byScheduler(id))).toEqual(['forget-requested', '→ forget']);
    expect(said(ask(state, 'forget', { backupId: snapshot(2) }))).toEqual(['forget-requested', '→ forget']);
  });

  it('that no person has asked for is never of the last good one beside another that may be gone already', () => {
    const state = given(...READY, ...backedUp(1), ...backedUp(2), ...doubted(2));
    const byScheduler = { ...request('forget', { backupId: snapshot(1) }), by: { requestedBy: SCHEDULER } };
    expectRejection(() => requestOperation(state, 'p1', byScheduler), 'last-good-backup', 409);
  });

  it('is asked for once', () => {
    const first = requestedEvent('op-2', 'forget', { backupId: snapshot(1) });
    expectRejection(() => forget(snapshot(1), first), 'backup-being-deleted', 409);
  });
});

describe('a look for orphans', () => {
  it('needs a repository', () => {
    const tidy = (...events: typeof READY) =>
      ask(given(...READY, ...events), 'tidy', { remove: false, graceSeconds: 1 });
    expectRejection(() => tidy(), 'no-repository', 409);
    expect(said(tidy(initialised))).toEqual(['tidy-requested', '→ tidy']);
    expect(said(tidy(initialised, requestedEvent('op-2', 'backup')))).toEqual(['tidy-requested', '→ tidy']);
  });
});
