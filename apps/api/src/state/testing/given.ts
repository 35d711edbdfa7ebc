import type {
  BackupRecord,
  LoggedEvent,
  NewEvent,
  OperationEndedClaim,
  OperationKind,
  OperationLimits,
  ProjectCreated,
  ProjectEvents,
} from '@buckets/contracts';
import { expect } from '@jest/globals';
import type { Project } from '../backups-at-hand.js';
import type { KnownBackup } from '../known-backup.js';
import type { ProjectState } from '../project-state.js';
import type { Verdict } from '../../project-decisions/verdict.js';
import { WholeProject } from './all-backups.js';

export const AT = '2031-02-03T04:05:06.789Z';
export const OVER_THERE = { hostId: 'h2', generation: 1 };
export const HERE = { hostId: 'h1', generation: 2 };

/** The id of a backup, from a digit. */
export const snapshot = (digit: number | string): string => String(digit).repeat(64).slice(0, 64);

export const created: ProjectCreated = {
  requestedBy: 'admin',
  ownerId: 'someone',
  regionId: 'zrh',
  bucketId: 'b1',
  hostId: HERE.hostId,
  generation: HERE.generation,
  backupIntervalMinutes: 60,
};

/** How long the operations of these stories may take. */
export const LIMITS: OperationLimits = { queueSeconds: 60, stallSeconds: 30, attemptSeconds: 600, wholeSeconds: 3_600 };
/** When the time of whatever was asked for is up. */
export const UP = { at: '9999-12-31T00:00:00.000Z', limits: LIMITS };

export function event<Y extends keyof ProjectEvents>(type: Y, data: ProjectEvents[Y]): NewEvent<'project'> {
  return { thing: 'project', type, data } as NewEvent<'project'>;
}

export const requestedEvent = (operationId: string, kind: OperationKind, params: Record<string, unknown> = {}) =>
  event(`${kind}-requested`, { operationId, ...HERE, params, limits: LIMITS, requestedBy: 'admin' });

export const beganEvent = (operationId: string, kind: OperationKind, attemptId: string, attempt = 1) =>
  event(`${kind}-began`, { operationId, hostId: HERE.hostId, attempt, attemptId });

export const cancelRequestedEvent = (operationId: string, kind: OperationKind) =>
  event(`${kind}-cancel-requested`, { operationId, requestedBy: 'admin' });

/** A project that was made, and whose data are on its host. */
export const READY: readonly NewEvent<'project'>[] = [
  event('created', created),
  requestedEvent('op-0', 'provision', { adopt: false }),
  beganEvent('op-0', 'provision', 'at-0'),
  event('provisioned', {
    operationId: 'op-0',
    generation: HERE.generation,
    by: 'created',
    roots: ['project', 'persist'],
  }),
  event('provision-succeeded', { operationId: 'op-0', attempt: 1 }),
];

export function record(digit: number | string, operationId: string, changes: Partial<BackupRecord> = {}): BackupRecord {
  return {
    backupId: snapshot(digit),
    operationId,
    beganAt: AT,
    endedAt: AT,
    counter: { generation: HERE.generation, epoch: 'dawn', n: 1 },
    consistency: { mode: 'live', movedWhileReading: false },
    partialBecause: [],
    unreadable: { total: 0, first: [] },
    files: 1,
    folders: 1,
    bytes: 1,
    bytesAdded: 1,
    bytesStored: 1,
    filesNew: 1,
    filesChanged: 0,
    ...changes,
  };
}

export const recordedEvent = (digit: number | string, operationId = 'op-b', changes: Partial<BackupRecord> = {}) =>
  event('backup-recorded', { ...record(digit, operationId, changes), hostId: HERE.hostId });

/** A backup as its log has it, from the request to the end. */
export const backedUp = (digit: number | string, changes: Partial<BackupRecord> = {}): NewEvent<'project'>[] => {
  const operationId = `op-b${digit}`;
  return [
    requestedEvent(operationId, 'backup'),
    beganEvent(operationId, 'backup', `at-b${digit}`),
    recordedEvent(digit, operationId, changes),
    event(`backup-${(changes.partialBecause ?? []).length === 0 ? 'succeeded' : 'partial'}`, {
      operationId,
      attempt: 1,
    }),
  ];
};

/** A deletion of that backup that began, and of which its host has said nothing. */
export const doubted = (digit: number | string, operationId = `op-f${digit}`): NewEvent<'project'>[] => [
  requestedEvent(operationId, 'forget', { backupId: snapshot(digit) }),
  beganEvent(operationId, 'forget', `at-f${digit}`),
  event('forget-expired', { operationId, attempt: 1, code: 'whole-limit' }),
];

export function claim(changes: Partial<OperationEndedClaim> & Pick<OperationEndedClaim, 'kind'>): OperationEndedClaim {
  return { operationId: 'op-1', generation: HERE.generation, attemptId: 'at-1', outcome: 'succeeded', ...changes };
}

/** The events as the log would hand them out, from position `after + 1` on. */
export function logged(events: readonly NewEvent<'project'>[], after = 0): LoggedEvent<'project'>[] {
  return events.map((each, index) => ({
    ...each,
    id: 'p1',
    position: after + index + 1,
    messageId: 'm',
    time: AT,
  })) as LoggedEvent<'project'>[];
}

/** What is to be decided on after these events. */
export function given(...events: readonly NewEvent<'project'>[]): Project {
  return WholeProject.after(logged(events)).whole;
}

/** The state after these events. */
export function folded(...events: readonly NewEvent<'project'>[]): ProjectState {
  return WholeProject.after(logged(events)).state!;
}

/** The backups after these events, by their ids. */
export function backupsAfter(...events: readonly NewEvent<'project'>[]): Record<string, KnownBackup> {
  return Object.fromEntries(WholeProject.after(logged(events)).backups);
}

/** What a verdict says, shortly: the types of its events and the kinds of its intents. */
export function said({ events, intents }: Verdict): string[] {
  return [...events.map(({ type }) => type as string), ...intents.map(({ kind }) => `→ ${kind}`)];
}

export function expectRejection(decide: () => unknown, code: string, status: number): void {
  let thrown: unknown;
  try {
    decide();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code, status, message: expect.stringMatching(/^[A-Z].{15,}\.$/) });
}

/** The backups of which something is lost, the newest first. */
export function damagedBackups({ backups }: Project): string[] {
  return backups.some('damaged').map(({ id }) => id);
}

/** The backups that a deletion may have removed, in the order of their ids. */
export function backupsInDoubt({ backups }: Project): string[] {
  return backups.some('inDoubt').map(({ id }) => id);
}
