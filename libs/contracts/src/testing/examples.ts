import type { BackupRecord } from '../backup.js';
import type { Claims } from '../claims.js';
import type { Events, EventThing, EventType, ProjectEvents } from '../events.js';
import type { Intents } from '../intents.js';
import { OPERATION_KINDS, OUTCOMES, type ClaimType, type IntentKind } from '../vocabulary.js';

const at = '2031-02-03T04:05:06.789Z';
const snapshot = 'ab'.repeat(32);
const counter = { generation: 3, epoch: 'dawn', n: 17 };
const problems = { total: 101, first: [{ path: 'sealed:1:path', reason: 'sealed:1:reason' }] };

export const backupRecord: BackupRecord = {
  backupId: snapshot,
  operationId: 'op-1',
  beganAt: '2031-02-03T04:05:06.123456789+02:00',
  endedAt: at,
  counter,
  consistency: { mode: 'live', movedWhileReading: true },
  partialBecause: ['unreadable-files', 'unknown-warnings', 'shrunken'],
  unreadable: problems,
  vanished: problems,
  warnings: { total: 1, first: ['sealed:1:warning'] },
  files: 5,
  folders: 2,
  bytes: 2 ** 45,
  bytesAdded: 10,
  bytesStored: 4,
  filesNew: 1,
  filesChanged: 1,
  parentId: 'cd'.repeat(32),
};

const damagedPack = { kind: 'pack' as const, id: 'ef'.repeat(32), damage: 'missing' as const };

const result = {
  backupId: snapshot,
  restore: {
    backupId: snapshot,
    backupBeganAt: at,
    roots: ['project' as const, 'persist' as const],
    files: 9,
    bytes: 99,
    replaced: { counter, sameAs: [counter], firstChanges: [{ epoch: 'e', n: 1, at: 5 }], at: 6 },
    problems,
    lacks: { total: 0, first: [] },
  },
  hook: { exitCode: -1, output: 'sealed:1:output' },
  createdRoots: ['persist' as const],
  orphans: {
    total: 2,
    removed: 1,
    first: [{ backupId: snapshot, at, operationId: 'op-1', removed: true }],
    unexplained: 1,
  },
  lookedFor: { there: [snapshot], gone: ['cd'.repeat(32)] },
  repository: {
    total: 2,
    first: [{ kind: 'config' as const, damage: 'altered' as const }, damagedPack],
    damaged: [snapshot],
    others: 'unknown' as const,
    whole: ['cd'.repeat(32)],
    settled: true,
    packs: 7,
    packsRead: 1,
    bytes: 1000,
    bytesRead: 100,
  },
};

const limits = { queueSeconds: 60, stallSeconds: 30, attemptSeconds: 600, wholeSeconds: 3600 };
const requested = { requestedBy: 'key/k1', requestHash: 'ef'.repeat(32) };

const operations = Object.fromEntries(
  OPERATION_KINDS.flatMap((kind) => [
    [
      `${kind}-requested`,
      { ...requested, operationId: 'op-1', hostId: 'h1', generation: 1, params: { backupId: snapshot }, limits },
    ],
    [
      `${kind}-began`,
      { operationId: 'op-1', hostId: 'h1', attempt: 2, attemptId: 'at-1', workerId: 'w1', previousFailure: 'killed' },
    ],
    [`${kind}-cancel-requested`, { ...requested, operationId: 'op-1' }],
    ...OUTCOMES.map((outcome) => [
      `${kind}-${outcome}`,
      {
        operationId: 'op-1',
        attempt: 2,
        result,
        code: 'disk-full',
        reason: 'sealed:1:reason',
        running: false,
        left: ['Something.'],
      },
    ]),
  ]),
) as unknown as ProjectEvents;

const apiKey = {
  ...{ ...requested, name: 'CI', tokenHash: '01'.repeat(32), scopes: ['projects:read' as const], expiresAt: at },
  makers: ['k0', 'k1'],
};

/** One of every fact, with every field set. A new type of event does not compile without one. */
export const EVENT_EXAMPLES: { [T in EventThing]: { [Y in EventType<T>]: Events[T][Y] } } = {
  region: { created: { ...requested, name: 'Zürich 🏔', latitude: 47.37, longitude: 8.54 } },
  bucket: {
    created: { ...requested, regionId: 'zrh', endpoint: 'https://s3.example', s3Region: 'eu', bucket: 'safe' },
  },
  host: {
    created: { ...requested, name: 'First', regionId: 'zrh' },
    updated: { ...requested, name: 'Second' },
  },
  'api-key': {
    created: apiKey,
    'created-for-owner': { ...apiKey, ownerId: 'u-1' },
    revoked: requested,
  },
  project: {
    ...operations,
    created: {
      ...requested,
      title: 'sealed:1:title',
      description: 'sealed:1:text',
      ownerId: 'someone',
      regionId: 'zrh',
      bucketId: 'b1',
      hostId: 'h1',
      generation: 1,
      backupIntervalMinutes: 60,
      retention: { last: 3, daily: 7, weekly: 4, monthly: 12 },
    },
    recovered: {
      ...requested,
      ownerId: 'someone',
      regionId: 'zrh',
      bucketId: 'b1',
      generation: 734_001,
      backupIntervalMinutes: 60,
      repositoryConfigId: snapshot,
    },
    assigned: { ...requested, hostId: 'h1', generation: 734_002 },
    updated: {
      ...requested,
      ownerId: 'somebody-else',
      title: 'sealed:1:new',
      description: 'sealed:1:text',
      backupIntervalMinutes: 1,
      retention: {},
    },
    'member-set': { ...requested, userId: 'u-1', role: 'collaborator' },
    'member-removed': { ...requested, userId: 'u-1' },
    provisioned: { operationId: 'op-1', generation: 1, by: 'restored', backupId: snapshot, roots: ['project'] },
    changed: { source: 'agent-edit', at },
    'freshness-changed': {
      freshness: 'stale',
      staleSince: at,
      reason: 'Changed since the last backup.',
      counter,
      coveredBy: snapshot,
    },
    'repository-initialised': { configId: snapshot, operationId: 'op-1' },
    'backup-recorded': {
      ...backupRecord,
      hostId: 'h1',
      recovered: { bucketId: 'b1', orderedBy: 'log', beganPosition: 42 },
    },
    'backup-deleted': { backupId: snapshot, operationId: 'op-1' },
    'backup-accepted': { backupId: snapshot, because: 'asked-for', requestedBy: 'key/k1' },
    'backup-found': { backupId: snapshot, operationId: 'op-1' },
    'repository-damaged': { total: 501, first: [damagedPack], operationId: 'op-1' },
    'repository-mended': { operationId: 'op-1' },
    'backups-damaged': { backupIds: [snapshot], operationId: 'op-1' },
    'backups-healed': { backupIds: [snapshot], operationId: 'op-1' },
    'runtime-changed': { operationId: 'op-1', running: true },
    'claim-rejected': { hostId: 'h1', claim: 'backup-succeeded', reason: 'overtaken', operationId: 'op-1' },
  },
};

export const CLAIM_EXAMPLES: { [K in ClaimType]: Claims[K] } = {
  'operation-ended': {
    operationId: 'op-1',
    generation: 3,
    kind: 'backup',
    attemptId: 'at-1',
    outcome: 'partial',
    code: 'unreadable-files',
    reason: 'sealed:1:reason',
    result,
    backup: backupRecord,
    provisioned: { operationId: 'op-1', generation: 3, by: 'created', roots: ['project', 'persist'] },
    running: true,
    left: ['What was uploaded stays.'],
  },
  'unreadable-intent': { position: 5, intentSubject: 'buckets.intent.h1.p1.backup', reason: 'it is not JSON' },
};

const cancel = { operationId: 'op-1', generation: 3, requestedAt: at };
const intent = { ...cancel, limits };

export const INTENT_EXAMPLES: { [K in IntentKind]: Intents[K] } = {
  provision: { ...intent, adopt: true },
  backup: { ...intent, consistency: 'snapshot' },
  restore: { ...intent, backupId: snapshot },
  start: { ...intent, allowEmpty: false, backupId: snapshot },
  stop: intent,
  forget: { ...intent, backupId: snapshot },
  tidy: { ...intent, remove: true, graceSeconds: 3600 },
  verify: { ...intent, readData: 0.25 },
  cancel,
};
