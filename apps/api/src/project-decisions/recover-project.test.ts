import { describe, expect, it } from '@jest/globals';
import type { BackupRecorded, ProjectRecovered } from '@buckets/contracts';
import {
  backedUp,
  created,
  event,
  expectRejection,
  given,
  HERE,
  LIMITS,
  OVER_THERE,
  READY,
  record,
  said,
  snapshot,
} from '../state/testing/given.js';
import { acceptBackup } from './accept-backup.js';
import { assignProject } from './assign-project.js';
import { beginAttempt } from './attempt.js';
import { endOperation } from './end-operation.js';
import { recoverProject } from './recover-project.js';
import { requestOperation, SCHEDULER, type OperationRequest } from './request-operation.js';
import { backupToRestore, undecided } from '../state/backups-at-hand.js';

const project: ProjectRecovered = {
  ...{ ownerId: 'unknown', regionId: 'zrh', bucketId: 'b1', generation: 700, backupIntervalMinutes: 60 },
  ...{ repositoryConfigId: snapshot('c'), requestedBy: 'recover-from-buckets' },
};
const backup = (digit: number): BackupRecorded => ({
  ...record(digit, `op-${digit}`, { partialBecause: ['unwitnessed'] }),
  hostId: 'h9',
  recovered: { bucketId: 'b1', orderedBy: 'clock' },
});
const found = { project, backups: [backup(1), backup(2)] };
const RECOVERED = recoverProject(null, found).events;
const ASSIGNED = [...RECOVERED, event('assigned', { hostId: 'h1', generation: 701, requestedBy: 'admin' })];
const request = (kind: OperationRequest['kind'], params: Record<string, unknown> = {}): OperationRequest => ({
  ...{ operationId: 'op-9', kind, params, limits: LIMITS, at: '2031-02-03T04:05:06.789Z' },
  by: { requestedBy: 'admin' },
});

describe('a project that was found in its bucket', () => {
  it('is stated with its backups, as found', () => {
    expect(RECOVERED).toEqual([
      event('recovered', project),
      event('backup-recorded', backup(1)),
      event('backup-recorded', backup(2)),
    ]);
    expect(given(...RECOVERED)).toMatchObject({ hostId: null, generation: 700, provisioned: false, hadData: true });
  });

  it('is stated once', () => {
    expect(said(recoverProject(given(...RECOVERED), found))).toEqual([]);
    const more = { project, backups: [backup(1), backup(3)] };
    expect(said(recoverProject(given(...RECOVERED), more))).toEqual(['backup-recorded']);
  });

  it('gets no backup back that was deleted since', () => {
    const deleted = event('backup-deleted', { backupId: snapshot(1), operationId: 'op-f' });
    expect(said(recoverProject(given(...RECOVERED, deleted), found))).toEqual([]);
  });

  it('that the log knows gets what the log lacks, and stays what it is', () => {
    const { events } = recoverProject(given(...READY), found);
    expect(events.map(({ type }) => type)).toEqual(['backup-recorded', 'backup-recorded']);
    expect(given(...READY, ...events)).toMatchObject({ hostId: HERE.hostId, generation: HERE.generation });
  });

  it('is not mixed with what the log knows in another bucket, or as another repository', () => {
    const elsewhere = given(event('created', { ...created, bucketId: 'b2' }));
    expectRejection(() => recoverProject(elsewhere, found), 'project-elsewhere', 409);
    const initialised = event('repository-initialised', { configId: snapshot('d'), operationId: 'op-1' });
    expectRejection(() => recoverProject(given(...READY, initialised), found), 'repository-mismatch', 409);
  });
});

describe('a backup that is found beside others that the log has', () => {
  const FOUND: BackupRecorded = { ...backup(5), counter: { generation: HERE.generation, epoch: 'lost', n: 1 } };
  const missing = { ...request('start'), dataAreMissing: true };
  const known = [...READY, ...backedUp(1)];
  const found = [...known, event('backup-recorded', FOUND)];

  it('may be newer or not: a start that has to restore one of them asks', () => {
    expect(undecided(given(...found))).toEqual({
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(5), partialBecause: ['unwitnessed'] },
    });
    expectRejection(() => requestOperation(given(...found), 'p1', missing), 'newer-backups-are-flagged', 409);
    expect(said(requestOperation(given(...found), 'p1', request('start')))).toEqual(['start-requested', '→ start']);
  });

  it('is deleted by a person, and by no process manager', () => {
    const forget = request('forget', { backupId: snapshot(5) });
    const managed = { ...forget, by: { requestedBy: SCHEDULER } };
    expectRejection(() => requestOperation(given(...found), 'p1', managed), 'last-good-backup', 409);
    expect(said(requestOperation(given(...found), 'p1', forget))).toEqual(['forget-requested', '→ forget']);
  });

  it('is older than what began after it was found', () => {
    expect(undecided(given(...found, ...backedUp(2)))).toBeNull();
  });

  it('is older when it was made under an earlier assignment', () => {
    const earlier = { ...FOUND, counter: { ...FOUND.counter, generation: HERE.generation - 1 } };
    expect(undecided(given(...known, event('backup-recorded', earlier)))).toBeNull();
  });

  it('is chosen like any other where the log has none', () => {
    const state = given(...READY, event('backup-recorded', FOUND));
    expect([undecided(state), backupToRestore(state)]).toEqual([null, snapshot(5)]);
  });
});

describe('a project without a host', () => {
  const state = given(...RECOVERED);

  it.each(['provision', 'backup', 'restore', 'start', 'stop', 'forget', 'tidy'] as const)('takes no %s', (kind) => {
    const wanted = request(kind, { backupId: snapshot(1) });
    expectRejection(() => requestOperation(state, 'p1', wanted), 'project-not-assigned', 409);
  });

  it('listens to no host: neither to those that had it nor to any other', () => {
    const attempt = { ...OVER_THERE, generation: 700, operationId: 'op-1', attemptId: 'at-1' };
    expectRejection(() => beginAttempt(state, 'p1', attempt), 'overtaken', 409);
    const told = { ...attempt, kind: 'backup' as const, outcome: 'succeeded' as const, backup: record(7, 'op-1') };
    expect(said(endOperation(state, 'h9', told))).toEqual(['claim-rejected']);
  });

  it('may have a backup accepted', () => {
    const shrunken = { ...backup(3), partialBecause: ['unwitnessed' as const, 'shrunken' as const] };
    const small = given(...RECOVERED, event('backup-recorded', shrunken));
    expect(said(acceptBackup(small, 'p1', { backupId: snapshot(3), requestedBy: 'admin' }))).toEqual([
      'backup-accepted',
    ]);
  });

  it('is given one, once, under a new generation', () => {
    const by = { hostId: 'h1', requestedBy: 'admin' };
    expect(assignProject(state, 'p1', by).events).toEqual([event('assigned', { ...by, generation: 701 })]);
    const assigned = given(...ASSIGNED);
    expect(assigned).toMatchObject({ hostId: 'h1', generation: 701, provisioned: false });
    expect(said(assignProject(assigned, 'p1', by))).toEqual([]);
    expectRejection(() => assignProject(assigned, 'p1', { ...by, hostId: 'h2' }), 'project-assigned', 409);
    expectRejection(() => assignProject(given(...READY), 'p1', { ...by, hostId: 'h2' }), 'project-assigned', 409);
    expectRejection(() => assignProject(null, 'p1', by), 'project-not-found', 404);
  });

  it('is given another one than that of its newest backup only where that is meant', () => {
    const by = { hostId: 'h1', requestedBy: 'admin' };
    const refused = () => assignProject(state, 'p1', by, { madeOn: 'h9' });
    expectRejection(refused, 'backups-of-another-host', 409);
    expect(refused).toThrow(/host h9.*made-elsewhere/);
    expect(said(assignProject(state, 'p1', by, { madeOn: 'h1' }))).toEqual(['assigned']);
    expect(said(assignProject(state, 'p1', by, { madeOn: 'h9', although: 'made-elsewhere' }))).toEqual(['assigned']);
    // What was done is not refused afterwards.
    expect(said(assignProject(given(...ASSIGNED), 'p1', by, { madeOn: 'h9' }))).toEqual([]);
  });
});

describe('a project that was assigned after it was found', () => {
  it.each([
    ['start', {}],
    ['restore', { backupId: snapshot(2) }],
    ['provision', { adopt: true }],
    ['tidy', {}],
  ] as const)('takes a %s', (kind, params) => {
    expect(said(requestOperation(given(...ASSIGNED), 'p1', request(kind, params)))).toEqual([
      `${kind}-requested`,
      `→ ${kind}`,
    ]);
  });

  it('has nothing to back up before its data are there', () => {
    expectRejection(() => requestOperation(given(...ASSIGNED), 'p1', request('backup')), 'project-has-no-data', 409);
  });

  it('has data adopted only where it has none, and nothing else brings them', () => {
    expectRejection(() => requestOperation(given(...READY), 'p1', request('provision')), 'project-has-data', 409);
    const { events } = requestOperation(given(...ASSIGNED), 'p1', { ...request('start'), operationId: 'op-s' });
    const starting = given(...ASSIGNED, ...events);
    expectRejection(() => requestOperation(starting, 'p1', request('provision')), 'project-gets-data', 409);
  });
});
