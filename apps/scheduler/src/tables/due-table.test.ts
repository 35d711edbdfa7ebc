import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import { AFTER_RESTORE_MS } from '../when/backup.js';
import { SchedulerProjection } from './scheduler-projection.js';
import { created, NOON, trialTables } from './testing/trial-tables.js';

jest.setTimeout(60_000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const data = trialTables();
const projection = new SchedulerProjection();
let position = 0;

type Told = [LoggedEvent<'project'>['type'], object];

/** What a project's events, all at noon, come to in the tables. */
async function tell(id: string, ...events: Told[]): Promise<void> {
  const time = new Date(NOON).toISOString();
  const logged = events.map(
    ([type, body]) =>
      ({ thing: 'project', id, type, data: body, position: ++position, messageId: '', time }) as LoggedEvent<'project'>,
  );
  await data().transaction((rows) => projection.apply({ events: logged, messages: [] }, rows));
}

interface Due {
  kind: string;
  subject: string;
  lane: string;
  key: string;
  /** Infinity of work that is not due for a while. */
  dueAt: number;
  attempts: number;
}

async function dueOf(id: string): Promise<Due[]> {
  const rows = await data().query<(Omit<Due, 'dueAt'> & { due_at: Date | number })[]>(
    'SELECT kind, subject, lane, key, due_at, attempts FROM scheduler.due WHERE thing_id = $1 ORDER BY kind, subject',
    [id],
  );
  return rows.map(({ due_at, ...row }) => ({ ...row, dueAt: Number(due_at) }));
}
const kindsOf = async (id: string) => (await dueOf(id)).map(({ kind }) => kind);
const dueFor = async (id: string, kind: string) => (await dueOf(id)).find((due) => due.kind === kind);

const requested = (operationId: string, params: object = {}) => ({
  ...{ operationId, hostId: 'h1', generation: 1, params, requestedBy: 'admin' },
});
const began = (operationId: string) => ({ operationId, hostId: 'h1', attempt: 1, attemptId: 'a' });
const recorded = (backupId: string): Told => [
  'backup-recorded',
  {
    ...{ backupId, operationId: 'o', counter: { generation: 1, epoch: 'dawn', n: 7 }, partialBecause: [] },
    beganAt: new Date(NOON).toISOString(),
  },
];
const provisioned: Told = ['provisioned', { operationId: 'p', generation: 1, by: 'created', roots: [] }];
const stale: Told = [
  'freshness-changed',
  { freshness: 'stale', staleSince: new Date(NOON).toISOString(), reason: 'It changed.' },
];

beforeEach(async () => {
  await data().transaction((rows) => projection.clear(rows));
});

describe('what is due of a project', () => {
  it('is nothing before its data are there, then its first backup, and then what its events say', async () => {
    await tell('atlas', created('h1'));
    expect(await kindsOf('atlas')).toEqual([]);
    await tell('atlas', provisioned);
    expect(await dueOf('atlas')).toMatchObject([{ kind: 'backup', lane: 'h1', key: `atlas/none/first/${NOON}` }]);
    expect((await dueFor('atlas', 'backup'))!.dueAt).toBeGreaterThanOrEqual(NOON + HOUR);

    await tell('atlas', ['backup-requested', requested('o')], ['backup-began', began('o')]);
    expect(await kindsOf('atlas')).toEqual(['limit']);
    await tell('atlas', recorded('b1'), ['backup-succeeded', { operationId: 'o', attempt: 1 }]);
    await tell('atlas', ['freshness-changed', { freshness: 'fresh', reason: '', coveredBy: 'b1' }]);
    expect(await dueOf('atlas')).toMatchObject([{ kind: 'verification', dueAt: NOON }]);
    await tell('atlas', stale);
    expect((await dueFor('atlas', 'backup'))!.key).toBe(`atlas/b1/o/${NOON}`);
  });

  it('goes with it to another host, and is nothing while it has none', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'));
    expect(new Set((await dueOf('atlas')).map(({ lane }) => lane))).toEqual(new Set(['h1']));
    await tell('atlas', ['assigned', { hostId: 'h2', generation: 2 }]);
    expect(new Set((await dueOf('atlas')).map(({ lane }) => lane))).toEqual(new Set(['h2']));
    await tell('found', ['recovered', { generation: 1, bucketId: 'b', backupIntervalMinutes: 60 }], recorded('b2'));
    expect(await kindsOf('found')).toEqual([]);
  });

  it('goes by the newest backup that is there, and whole', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'), recorded('b2'), stale);
    const key = async () => (await dueFor('atlas', 'backup'))!.key;
    expect(await key()).toBe(`atlas/b2/first/${NOON}`);
    await tell('atlas', ['backups-damaged', { backupIds: ['b2'] }]);
    expect(await key()).toBe(`atlas/b1/first/${NOON}`);
    await tell('atlas', ['backups-healed', { backupIds: ['b2'] }]);
    expect(await key()).toBe(`atlas/b2/first/${NOON}`);
    await tell('atlas', ['backup-deleted', { backupId: 'b2', operationId: 'f' }]);
    expect(await key()).toBe(`atlas/b1/first/${NOON}`);
  });

  it('is a look at what it keeps whenever that may be other backups, and later after each deletion in vain', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'));
    expect(await kindsOf('atlas')).not.toContain('retention');
    await tell('atlas', ['updated', { requestedBy: 'admin', retention: { last: 1 } }]);
    const first = await dueFor('atlas', 'retention');
    expect(first!.dueAt).toBe(NOON);
    await tell('atlas', stale);
    expect(await dueFor('atlas', 'retention')).toEqual(first);
    await tell('atlas', recorded('b2'));
    const second = await dueFor('atlas', 'retention');
    expect(second!.key).not.toBe(first!.key);

    await tell('atlas', ['forget-requested', requested('f1', { backupId: 'b1' })]);
    expect(await kindsOf('atlas')).not.toContain('retention');
    await tell('atlas', ['forget-failed', { operationId: 'f1' }]);
    const third = await dueFor('atlas', 'retention');
    expect(third!.dueAt).toBe(NOON + MINUTE);
    expect(third!.key).not.toBe(second!.key);
    await tell(
      'atlas',
      ['forget-requested', requested('f2', { backupId: 'b1' })],
      ['forget-failed', { operationId: 'f2' }],
    );
    expect((await dueFor('atlas', 'retention'))!.dueAt).toBe(NOON + 2 * MINUTE);
    await tell(
      'atlas',
      ['forget-requested', requested('f3', { backupId: 'b1' })],
      ['forget-succeeded', { operationId: 'f3' }],
    );
    expect((await dueFor('atlas', 'retention'))!.dueAt).toBe(NOON);
  });

  it('is put off by no clock of a host that a backup was found by in its bucket, in whatever year that says', async () => {
    for (const [id, beganAt] of [
      ['ahead', '2099-01-01T00:00:00Z'],
      ['far-ahead', '9999-12-31T23:59:59-12:00'],
      ['long-ago', '0000-01-01T00:00:00Z'],
    ] as const) {
      await tell(
        id,
        ['recovered', { generation: 1, bucketId: 'b', backupIntervalMinutes: 60 }],
        [
          'backup-recorded',
          {
            ...{ backupId: 'b1', operationId: 'lost', counter: { generation: 1, epoch: 'dawn', n: 7 }, beganAt },
            ...{ partialBecause: ['unwitnessed'], recovered: { bucketId: 'b', orderedBy: 'clock' } },
          },
        ],
        ['assigned', { hostId: 'h1', generation: 2 }],
        ['provisioned', { operationId: 'p', generation: 2, by: 'adopted', roots: [] }],
        stale,
      );
      expect((await dueFor(id, 'backup'))!.dueAt).toBeLessThan(NOON + 2 * HOUR);
    }
  });

  it('is put off, or brought forward for long, by no moment that a host tells', async () => {
    for (const [id, staleSince] of [
      ['tells-the-future', '9999-12-31T23:59:59Z'],
      ['tells-the-past', '0001-01-01T00:00:00Z'],
    ] as const) {
      const told: Told = ['freshness-changed', { freshness: 'stale', staleSince, reason: 'It changed.' }];
      await tell(id, created('h1'), provisioned, recorded('b1'), told);
      expect((await dueFor(id, 'backup'))!.dueAt).toBeLessThan(NOON + 2 * HOUR);
      // What has failed waits, whatever the host says of its project.
      await tell(id, ['backup-requested', requested('o')], ['backup-failed', { operationId: 'o' }], told);
      expect((await dueFor(id, 'backup'))!.dueAt).toBeGreaterThanOrEqual(NOON + MINUTE);
    }
  });

  it('is a backup moments after a restore, whatever its interval', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'));
    const brought = { operationId: 'r', generation: 1, by: 'restored', backupId: 'b1', roots: ['project', 'persist'] };
    await tell('atlas', ['provisioned', brought], stale);
    expect((await dueFor('atlas', 'backup'))!.dueAt).toBe(NOON + AFTER_RESTORE_MS);
  });

  it('is a look at its repository that is held after one that came to nothing, and is no look', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'));
    const first = (await dueFor('atlas', 'verification'))!;
    await tell('atlas', ['verify-requested', requested('v1')]);
    expect(await kindsOf('atlas')).toEqual(['backup', 'limit']);
    await tell('atlas', ['verify-failed', { operationId: 'v1', code: 'storage-unavailable' }]);
    const second = (await dueFor('atlas', 'verification'))!;
    expect(second.dueAt).toBe(first.dueAt);
    expect(second.key).not.toBe(first.key);
    const [row] = await data().query<{ held_until: Date }[]>(
      `SELECT held_until FROM scheduler.due WHERE kind = 'verification'`,
    );
    expect(row!.held_until.getTime()).toBe(NOON + MINUTE);
  });

  it('is the end of each of its operations whose time is up, in the turn of the host that has it', async () => {
    const limits = { queueSeconds: 60, stallSeconds: 60, attemptSeconds: 60, wholeSeconds: 600 };
    await tell('atlas', created('h1'), ['restore-requested', { ...requested('o1'), hostId: 'h9', limits }]);
    expect(await dueOf('atlas')).toMatchObject([{ kind: 'limit', subject: 'o1', lane: 'h9', dueAt: NOON + MINUTE }]);
    await tell('atlas', ['restore-began', began('o1')], ['restore-cancel-requested', { operationId: 'o1' }]);
    expect(await dueOf('atlas')).toMatchObject([
      { kind: 'cancel', subject: 'o1', dueAt: NOON },
      { kind: 'limit', subject: 'o1', dueAt: NOON + 10 * MINUTE },
    ]);
    await tell('atlas', ['restore-cancelled', { operationId: 'o1' }]);
    expect(await dueOf('atlas')).toEqual([]);
  });
});

describe('what was noted of due work', () => {
  const note = () =>
    data().query(`UPDATE scheduler.due SET attempts = 3, not_before = 'infinity' WHERE kind = 'retention'`);
  const noted = async () => {
    const [row] = await data().query<{ attempts: number; put_off: boolean }[]>(
      `SELECT attempts, not_before IS NOT NULL AS put_off FROM scheduler.due WHERE kind = 'retention'`,
    );
    return row;
  };

  it('holds as long as it is the same work, and no longer', async () => {
    await tell('atlas', created('h1'), provisioned, ['updated', { requestedBy: 'admin', retention: { last: 1 } }]);
    await note();
    await tell('atlas', stale, ['updated', { requestedBy: 'admin', backupIntervalMinutes: 5 }]);
    expect(await noted()).toEqual({ attempts: 3, put_off: true });
    await tell('atlas', recorded('b1'));
    expect(await noted()).toEqual({ attempts: 0, put_off: false });
  });

  const fresh: Told = ['freshness-changed', { freshness: 'fresh', reason: '', coveredBy: 'b1' }];
  const silent: Told = ['freshness-changed', { freshness: 'unknown', reason: 'Its host is silent.' }];
  const notedOfBackup = async () => {
    const [row] = await data().query<{ attempts: number; not_before: Date | null; counted_from: Date | null }[]>(
      `SELECT attempts, not_before, counted_from FROM scheduler.due WHERE kind = 'backup' AND due_at < 'infinity'`,
    );
    return row;
  };

  it('holds whatever its host reports over and over, also where the work is not due for a while', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'), stale);
    const moment = new Date(NOON + HOUR);
    await data().query(
      `UPDATE scheduler.due SET attempts = 3, not_before = $1, counted_from = $1 WHERE kind = 'backup'`,
      [moment],
    );
    const all = { attempts: 3, not_before: moment, counted_from: moment };
    for (const told of [[fresh], [silent], [fresh, silent]]) {
      await tell('atlas', ...told);
      expect(await notedOfBackup()).toBeUndefined();
      await tell('atlas', [
        'freshness-changed',
        { freshness: 'stale', staleSince: '2001-01-01T00:00:00Z', reason: '' },
      ]);
      expect(await notedOfBackup()).toEqual(all);
    }
  });

  it('leaves one row of each kind of work of a project at most, and none of an operation that ended', async () => {
    await tell('atlas', created('h1'), provisioned, recorded('b1'), stale);
    for (const n of [1, 2, 3]) {
      await tell('atlas', ['backup-requested', requested(`o${n}`)]);
      await data().query(`UPDATE scheduler.due SET attempts = 1`);
      await tell('atlas', ['backup-failed', { operationId: `o${n}` }]);
      await data().query(`UPDATE scheduler.due SET attempts = 1`);
    }
    await tell('atlas', fresh);
    expect((await kindsOf('atlas')).toSorted()).toEqual(['backup', 'verification']);
  });

  it('is forgotten when the tables are made anew; what is due is the same', async () => {
    const events: Told[] = [created('h1'), provisioned, ['updated', { requestedBy: 'admin', retention: { last: 1 } }]];
    position = 100;
    await tell('atlas', ...events);
    const before = await dueOf('atlas');
    await note();
    await data().transaction((rows) => projection.clear(rows));
    expect(await dueOf('atlas')).toEqual([]);
    position = 100;
    await tell('atlas', ...events);
    expect(await dueOf('atlas')).toEqual(before);
  });
});
