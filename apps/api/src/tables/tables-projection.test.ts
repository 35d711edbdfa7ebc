import { describe, expect, it, jest } from '@jest/globals';
import { PARTIAL_REASONS, type LoggedEvent, type NewEvent } from '@buckets/contracts';
import type { LogMessage } from '@buckets/log';
import fc from 'fast-check';
import {
  backedUp,
  beganEvent,
  cancelRequestedEvent,
  claim,
  created,
  event,
  LIMITS,
  READY,
  record,
  recordedEvent,
  requestedEvent,
  snapshot,
} from '../state/testing/given.js';
import { API_ENTITIES, JournalRow } from './entities.js';
import { TablesProjection } from './tables-projection.js';
import { project, trialTables } from './testing/trial-tables.js';

jest.setTimeout(90_000);

const RECOVERED = {
  ...{ ownerId: 'unknown', regionId: 'zrh', bucketId: 'b1', generation: 700, backupIntervalMinutes: 60 },
  ...{ repositoryConfigId: snapshot('c'), requestedBy: 'recover-from-buckets' },
};

type Fact = Pick<LoggedEvent, 'thing' | 'type' | 'id'> & { data: object };

describe("the API's tables", () => {
  const data = trialTables();
  const projection = new TablesProjection();
  const write = (facts: readonly Fact[], sizes?: readonly number[]) => project(data(), facts.map(asLogged), sizes);
  const clear = () => data().transaction((rows) => projection.clear(rows));
  async function tables(): Promise<Record<string, unknown[]>> {
    const all = API_ENTITIES.filter((entity) => entity !== JournalRow).map(async (entity) => {
      const { tablePath } = data().getMetadata(entity);
      const rows = await data().query<{ row: string }[]>(
        `SELECT to_jsonb(t) AS row FROM ${tablePath} t ORDER BY to_jsonb(t)::text`,
      );
      return [tablePath, rows.map(({ row }) => row)] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  }
  const rowOf = async (table: string) => (await tables())[`api.${table}`]!;

  it('are what their entities say', async () => {
    expect((await data().driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('are the same however the events are cut into batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { minLength: 1, maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
        async (facts, sizes) => {
          await clear();
          await write(facts, [1]);
          const oneByOne = await tables();
          for (const others of [sizes, [facts.length]]) {
            await clear();
            await write(facts, others);
            expect(await tables()).toEqual(oneByOne);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('show no freshness that the backups they know contradict', async () => {
    await clear();
    const tell = async (...events: NewEvent<'project'>[]) => {
      await write(events.map((each) => ({ ...each, id: 'p1' })));
      const [row] = (await rowOf('project')) as { freshness: string; freshness_reason: string; covered_by: string }[];
      return [row!.freshness, row!.freshness_reason, row!.covered_by];
    };
    const deleted = (digit: number) => event('backup-deleted', { backupId: snapshot(digit), operationId: 'op-f' });
    expect(await tell(...READY)).toEqual(['never', expect.stringMatching(/never backed up/), null]);
    expect(await tell(...backedUp(1))).toEqual(['unknown', expect.stringMatching(/A backup of it was made/), null]);
    expect(await tell(deleted(1))).toEqual(['never', expect.any(String), null]);
    await tell(...backedUp(2), ...backedUp(3));
    await tell(event('freshness-changed', { freshness: 'fresh', reason: 'All there.', coveredBy: snapshot(3) }));
    expect(await tell(deleted(2))).toEqual(['fresh', 'All there.', snapshot(3)]);
    expect(await tell(deleted(3))).toEqual(['unknown', expect.stringMatching(/was deleted/), null]);
  });

  it('show a project with its operations and backups', async () => {
    await clear();
    const story: NewEvent<'project'>[] = [
      ...READY,
      requestedEvent('op-1', 'backup', { consistency: 'live' }),
      event('backup-began', {
        operationId: 'op-1',
        hostId: 'h1',
        attempt: 1,
        attemptId: 'at-1',
        workerId: 'w1',
        previousFailure: 'killed',
      }),
      event('backup-cancel-requested', { operationId: 'op-1', requestedBy: 'admin', requestHash: 'h' }),
      recordedEvent(1, 'op-1'),
      event('backup-failed', { operationId: 'op-1', attempt: 1, code: 'c', reason: 'sealed:1:r', left: ['It.'] }),
      event('updated', { requestedBy: 'admin', title: 'sealed:1:t' }),
      event('freshness-changed', { freshness: 'fresh', reason: 'All there.', coveredBy: snapshot(1) }),
    ];
    await write(story.map((each) => ({ ...each, id: 'p1' })));
    expect(await rowOf('project')).toEqual([
      expect.objectContaining({
        id: 'p1',
        title: 'sealed:1:t',
        provisioned: true,
        running: false,
        generation: created.generation,
        freshness: 'fresh',
        covered_by: snapshot(1),
        stale_since: null,
        provision_operation_id: 'op-0',
        position: 1,
      }),
    ]);
    expect(await rowOf('operation')).toEqual(
      [
        expect.objectContaining({ id: 'op-0', state: 'succeeded', attempts: 1, worker_id: null, left_behind: null }),
        expect.objectContaining({
          id: 'op-1',
          state: 'failed',
          attempts: 1,
          code: 'c',
          reason: 'sealed:1:r',
          result: null,
          limits: LIMITS,
          worker_id: 'w1',
          previous_failure: 'killed',
          cancel_requested_at: expect.any(String),
          cancel_hash: 'h',
          left_behind: ['It.'],
        }),
      ].map((row) => row as unknown),
    );
    expect(await rowOf('backup')).toEqual([
      expect.objectContaining({ id: snapshot(1), project_id: 'p1', record: { ...record(1, 'op-1'), hostId: 'h1' } }),
    ]);
    expect(await rowOf('thing_state')).toEqual([
      expect.objectContaining({ thing: 'project', id: 'p1', position: story.length }),
    ]);
  });

  it('show a project that was found in its bucket, without a host until it is assigned to one', async () => {
    await clear();
    const recovered = { bucketId: 'b1', orderedBy: 'clock' as const };
    const found = event('backup-recorded', { ...record(1, 'op-lost'), hostId: 'h9', recovered });
    const story = [event('recovered', RECOVERED), found].map((each) => ({ ...each, id: 'p1' }));
    await write(story);
    const shown = { id: 'p1', owner_id: 'unknown', title: null, provisioned: false, freshness: 'unknown' };
    expect(await rowOf('project')).toEqual([expect.objectContaining({ ...shown, host_id: null, generation: 700 })]);
    expect(await rowOf('backup')).toEqual([
      expect.objectContaining({ began_position: 0, record: expect.objectContaining({ recovered }) as unknown }),
    ]);
    await clear();
    const more = [
      event('assigned', { hostId: 'h1', generation: 701, requestedBy: 'admin' }),
      event('updated', { ownerId: 'ada', requestedBy: 'admin' }),
    ];
    await write([...story, ...more.map((each) => ({ ...each, id: 'p1' }))]);
    expect(await rowOf('project')).toEqual([
      expect.objectContaining({ ...shown, host_id: 'h1', generation: 701, owner_id: 'ada' }),
    ]);
  });

  it('say of one that was found without a backup that there is none, as long as nobody states otherwise', async () => {
    await clear();
    const assigned = event('assigned', { hostId: 'h1', generation: 701, requestedBy: 'admin' });
    await write([event('recovered', RECOVERED), assigned].map((each) => ({ ...each, id: 'p1' })));
    const never = { freshness: 'never', freshness_reason: 'No backup of it is known.' };
    expect(await rowOf('project')).toEqual([expect.objectContaining(never)]);
  });

  it('lose a backup that was deleted, and keep what is of other projects', async () => {
    await clear();
    const both = [...READY, recordedEvent(1)];
    const gone = event('backup-deleted', { backupId: snapshot(1), operationId: 'o' });
    await write([
      ...both.map((each) => ({ ...each, id: 'p1' })),
      ...both.map((each) => ({ ...each, id: 'p2', data: { ...each.data, operationId: 'op-of-p2' } })),
      { ...gone, id: 'p1' },
    ]);
    expect(await rowOf('backup')).toEqual([expect.objectContaining({ project_id: 'p2' })]);
  });

  const journal = () =>
    data()
      .getRepository(JournalRow)
      .find({ order: { position: 'ASC' } });
  const message: LogMessage = {
    position: 7,
    subject: 'buckets.intent.h.p.stop',
    bytes: Buffer.from([0, 1, 2, 0xff, 0x5c, 0x22, 0x0a]),
    headers: { 'Nats-Msg-Id': 'a,"b"\\{}', other: 'ü' },
    storedAt: '2031-01-01T00:00:00.000Z',
  };
  const keep = (changes: Partial<LogMessage> = {}) =>
    data().transaction((rows) => projection.apply({ messages: [{ ...message, ...changes }], events: [] }, rows));

  it('keep every message as it was, over a rebuild too', async () => {
    await data().query('DELETE FROM api.journal');
    await keep();
    await keep({ subject: 'x' });
    await clear();
    const { storedAt, ...rest } = message;
    expect(await journal()).toEqual([{ ...rest, stored_at: storedAt }]);
  });

  it('put the journal of another log aside, whole', async () => {
    await data().query('DELETE FROM api.journal');
    await keep();
    for (const identity of ['0190-first', '0190-second']) {
      await data().transaction((rows) => projection.putAside(rows, identity));
      await keep({ position: 1 });
    }
    const positions = async (table: string) => data().query<object[]>(`SELECT position::int FROM api.${table}`);
    expect(await positions('journal_of_0190_first')).toEqual([{ position: 7 }]);
    expect(await positions('journal_of_0190_second')).toEqual([{ position: 1 }]);
    expect(await positions('journal')).toEqual([{ position: 1 }]);
    expect((await data().driver.createSchemaBuilder().log()).upQueries).toEqual([]);
  });
});

/** Facts as they may come in any order, consistent or not: the tables do not judge. */
const id = fc.constantFrom('a', 'b', 'c');
const operationId = fc.constantFrom('op-0', 'op-1', 'op-2');
const fixture = (thing: LoggedEvent['thing'], type: string, of: object) => ({
  thing,
  type,
  data: { requestedBy: 'admin', ...of },
});
const hex = (of: string) => of.charCodeAt(0).toString(16).padStart(64, '0');
const fact: fc.Arbitrary<Fact> = fc
  .tuple(
    id,
    fc.oneof(
      fc.constant(fixture('region', 'created', { name: 'R', latitude: 0.1, longitude: -7 })),
      fc.constant(fixture('bucket', 'created', { regionId: 'r', endpoint: 'e', s3Region: 's', bucket: 'b' })),
      fc.constant(fixture('host', 'created', { name: 'H', regionId: 'r' })),
      fc.constantFrom({ name: 'New' }, {}).map((of) => fixture('host', 'updated', of)),
      fc.constant(fixture('api-key', 'created', { name: 'K', tokenHash: 'h', scopes: ['admin'] })),
      fc.constant(fixture('api-key', 'created-for-owner', { name: 'K', scopes: [], ownerId: 'o', makers: ['a'] })),
      fc.constant(fixture('api-key', 'revoked', {})),
      fc.constant(event('created', created)),
      fc.constant(event('recovered', RECOVERED)),
      fc
        .constantFrom({ userId: 'o', role: 'owner' as const }, { userId: 'someone', role: 'viewer' as const })
        .map((of) => event('member-set', { ...of, requestedBy: 'admin' })),
      fc.constantFrom('o', 'someone').map((userId) => event('member-removed', { userId, requestedBy: 'admin' })),
      fc.constant(event('assigned', { hostId: 'h2', generation: 9, requestedBy: 'admin' })),
      fc
        .constantFrom({ title: 't', ownerId: 'o' }, { description: 'd', backupIntervalMinutes: 5 })
        .map((of) => fixture('project', 'updated', of)),
      operationId.map((operation) => requestedEvent(operation, 'backup', { n: 1 })),
      operationId.map((operation) => requestedEvent(operation, 'start')),
      operationId.map((operation) => beganEvent(operation, 'backup', 'at-1')),
      operationId.map((operation) =>
        event('start-began', {
          operationId: operation,
          hostId: 'h1',
          attempt: 2,
          attemptId: 'at-2',
          workerId: 'w1',
          previousFailure: 'killed',
        }),
      ),
      operationId.map((operation) => cancelRequestedEvent(operation, 'backup')),
      operationId.map((operation) =>
        event('backup-cancelled', { operationId: operation, code: 'cancel-unanswered', left: ['Something.'] }),
      ),
      operationId.map((operation) => event('runtime-changed', { operationId: operation, running: true })),
      operationId.map((operation) =>
        event('backup-succeeded', { operationId: operation, result: { backupId: snapshot(1) } }),
      ),
      operationId.map((operation) =>
        event('start-failed', { operationId: operation, running: false, code: 'c', reason: 'r' }),
      ),
      operationId.map((operation) => event('start-succeeded', { operationId: operation, running: true })),
      fc
        .record({ digit: fc.integer({ min: 1, max: 3 }), reasons: fc.subarray([...PARTIAL_REASONS]) })
        .map(({ digit, reasons }) => recordedEvent(digit, 'op-0', { partialBecause: reasons })),
      fc
        .integer({ min: 1, max: 3 })
        .map((digit) => event('backup-accepted', { backupId: snapshot(digit), because: 'stayed-small' })),
      fc
        .integer({ min: 1, max: 3 })
        .map((digit) => event('backup-found', { backupId: snapshot(digit), operationId: 'o' })),
      operationId.map((operation) => requestedEvent(operation, 'forget', { backupId: snapshot(1) })),
      operationId.map((operation) => beganEvent(operation, 'forget', 'at-3')),
      operationId.map((operation) => event('forget-expired', { operationId: operation, code: 'whole-limit' })),
      fc
        .integer({ min: 1, max: 3 })
        .map((digit) => event('backup-deleted', { backupId: snapshot(digit), operationId: 'o' })),
      fc
        .record({ digit: fc.integer({ min: 1, max: 3 }), of: fc.constantFrom('fresh', 'stale') })
        .map(({ digit, of }) =>
          event('freshness-changed', { freshness: of as 'fresh', reason: of, coveredBy: snapshot(digit) }),
        ),
      fc
        .record({
          type: fc.constantFrom('backups-damaged' as const, 'backups-healed' as const),
          digits: fc.subarray([1, 2, 3]),
          but: fc.option(fc.subarray([1, 2, 3])),
        })
        .map(({ type, digits, but }) =>
          event(type, {
            ...{ backupIds: digits.map(snapshot), operationId: 'o' },
            ...(but === null ? {} : { othersBut: but.map(snapshot) }),
          }),
        ),
      fc.integer({ min: 1, max: 3 }).map((digit) =>
        event('backup-recorded', {
          ...{ ...record(digit, 'op-lost'), hostId: 'h9' },
          recovered: { bucketId: 'b1', orderedBy: 'clock' },
        }),
      ),
      fc.constant(event('provisioned', { operationId: 'o', generation: 2, by: 'created', roots: ['project'] })),
      fc.constant(event('repository-initialised', { configId: snapshot('a'), operationId: 'o' })),
      fc.constant(event('changed', { source: 's', at: '2031-01-01T00:00:00Z' })),
      fc.constant(event('claim-rejected', { hostId: 'h', claim: claim({ kind: 'stop' }).kind, reason: 'r' })),
    ),
  )
  .map(([of, each]) => {
    const facts = each as Omit<Fact, 'id'>;
    // A token is one key's only.
    return {
      ...facts,
      id: of,
      data: { ...facts.data, ...(facts.type.startsWith('created') ? { tokenHash: hex(of) } : {}) },
    };
  });

function asLogged(of: Fact, index: number): LoggedEvent {
  const time = new Date(1_900_000_000_000 + index * 1_000).toISOString();
  return { ...of, position: index + 1, messageId: `m${index}`, time } as unknown as LoggedEvent;
}
