import { describe, expect, it } from '@jest/globals';
import { DEFAULT_LIMITS, type BackupRecorded, type LoggedEvent } from '@buckets/contracts';
import { evolve, REMEMBERED_BACKUPS, type ProjectRows } from './evolve.js';
import { MAX_OUTSIDE_CHANGES } from './outside-changes.js';

type ProjectEvent = LoggedEvent<'project'>;
type EventOf<T> = Extract<ProjectEvent, { type: T }>['data'];

const BEGAN = Date.parse('2031-05-06T12:00:00.000Z');
const moment = (position: number) => new Date(BEGAN + position * 1000).toISOString();

/** The rows after these events; positions count from 1, and each is a second later. */
function after(...events: [type: ProjectEvent['type'], data?: object][]): ProjectRows {
  const [...all] = [['created', project] as const, ...events];
  const rows = all.reduce<ProjectRows | null>(
    (rows, [type, data = {}], index) => evolve(rows, logged(type, data, index + 1)),
    null,
  );
  return rows!;
}

function logged(type: ProjectEvent['type'], data: object, position: number): ProjectEvent {
  return { thing: 'project', id: 'atlas', type, data, position, messageId: '', time: moment(position) } as ProjectEvent;
}

const project: EventOf<'created'> = {
  requestedBy: 'admin',
  ownerId: 'ada',
  regionId: 'north',
  bucketId: 'north',
  hostId: 'host-1',
  generation: 1,
  backupIntervalMinutes: 60,
};
const requested = (operationId: string): EventOf<'backup-requested'> => ({
  operationId,
  hostId: 'host-1',
  generation: 1,
  params: {},
  requestedBy: 'admin',
});
const began = (operationId: string, attempt = 1): EventOf<'backup-began'> => ({
  operationId,
  hostId: 'host-1',
  attempt,
  attemptId: `${operationId}-${attempt}`,
});
const recorded = (operationId: string, backupId = 'b1'): Partial<BackupRecorded> => ({
  backupId,
  operationId,
  beganAt: moment(3),
  counter: { generation: 1, epoch: 'dawn', n: 7 },
  partialBecause: [],
});

describe('a project', () => {
  it('begins without data, backups and statements', () => {
    expect(after().project).toMatchObject({
      host_id: 'host-1',
      generation: 1,
      created_at: BEGAN + 1000,
      provisioned_at: null,
      freshness: null,
      position: 1,
    });
  });

  it('is provisioned by a fact of its own generation only', () => {
    expect(after(['provisioned', { generation: 2 }]).project.provisioned_at).toBeNull();
    expect(after(['provisioned', { generation: 1 }]).project.provisioned_at).toBe(BEGAN + 2000);
  });

  it('that was found in its bucket has no host before it is assigned to one', () => {
    const { hostId: _none, ...found } = { ...project, generation: 700 };
    const recovered = evolve(null, logged('recovered', found, 1))!;
    expect(recovered.project).toMatchObject({ host_id: null, generation: 700, provisioned_at: null, retention: null });
    const assigned = evolve(recovered, logged('assigned', { hostId: 'host-2', generation: 701 }, 2))!;
    expect(assigned.project).toMatchObject({ host_id: 'host-2', generation: 701, provisioned_at: null });
    const rows = evolve(assigned, logged('provisioned', { generation: 701 }, 3));
    expect(rows!.project.provisioned_at).toBe(BEGAN + 3000);
  });

  it.each([
    ['', -3],
    [', though the clock of their host was a year ahead', 365],
  ])(
    'whose backups were found in its bucket has them on the days that they say%s, and any new one is newer',
    (_, from) => {
      const found = (backupId: string, day: number): [ProjectEvent['type'], object] => [
        'backup-recorded',
        {
          ...recorded(`lost-${backupId}`, backupId),
          beganAt: new Date(BEGAN + (from + day) * 86_400_000).toISOString(),
          recovered: { bucketId: 'north', orderedBy: 'clock' },
        },
      ];
      const rows = after(
        found('b1', 1),
        found('b2', 2),
        ['backup-requested', requested('op')],
        ['backup-began', began('op')],
        ['backup-recorded', recorded('op', 'b3')],
      );
      const placed = [...rows.backups.values()].map((row) => [row!.id, row!.began_position, row!.recorded_position]);
      expect(placed).toEqual([
        ['b1', 0, 2],
        ['b2', 0, 3],
        ['b3', 5, 6],
      ]);
      expect(rows.backups.get('b1')!.began_at).toBe(BEGAN + (from + 1) * 86_400_000);
      expect(rows.backups.get('b2')!.began_at).toBe(BEGAN + (from + 2) * 86_400_000);
    },
  );

  it('gets another interval, and keeps it when something else is updated', () => {
    const rows = after(['updated', { backupIntervalMinutes: 5 }], ['updated', { title: 'sealed' }]);
    expect(rows.project.backup_interval_minutes).toBe(5);
  });

  it('keeps all its backups until a retention says otherwise, and when one says nothing', () => {
    expect(after().project.retention).toBeNull();
    const retained: Parameters<typeof after> = [
      ['updated', { retention: { last: 2 } }],
      ['updated', { title: 'sealed' }],
    ];
    expect(after(...retained).project.retention).toEqual({ last: 2 });
    expect(after(...retained, ['updated', { retention: {} }]).project.retention).toBeNull();
  });

  it('remembers what was stated last of its freshness', () => {
    const rows = after(
      ['freshness-changed', { freshness: 'fresh', reason: 'All held.', coveredBy: 'b1' }],
      [
        'freshness-changed',
        {
          freshness: 'stale',
          reason: 'Changed.',
          staleSince: moment(2),
          counter: { generation: 1, epoch: 'dawn', n: 8 },
        },
      ],
    );
    expect(rows.project).toMatchObject({
      freshness: 'stale',
      freshness_reason: 'Changed.',
      stale_since: BEGAN + 2000,
      covered_by: null,
      stated_epoch: 'dawn',
      stated_at: BEGAN + 3000,
    });
  });

  it('takes note of whether it runs', () => {
    const rows = after(['start-requested', requested('s')], ['start-succeeded', { operationId: 's', running: true }]);
    expect(rows.project.running).toBe(true);
    expect(rows.operations).toEqual([]);
  });

  it('that nobody created has no rows', () => {
    expect(evolve(null, logged('changed', { source: 'fs-api', at: moment(1) }, 5))).toBeNull();
  });
});

describe('changes from outside', () => {
  it('are kept with their positions', () => {
    expect(after(['changed', { source: 'fs-api', at: moment(0) }]).project.outside_changes).toEqual([
      { position: 2, at: BEGAN, source: 'fs-api' },
    ]);
  });

  it('are bounded, and none that a backup may lack seems later than it was', () => {
    const changes = Array.from({ length: MAX_OUTSIDE_CHANGES + 2 }, (_, index) => {
      return ['changed', { source: 'fs-api', at: moment(index) }] as ['changed', object];
    });
    const { outside_changes } = after(...changes).project;
    expect(outside_changes).toHaveLength(MAX_OUTSIDE_CHANGES);
    expect(outside_changes[0]).toEqual({ position: 4, at: BEGAN, source: 'fs-api' });
    expect(outside_changes[1]).toEqual({ position: 5, at: BEGAN + 3000, source: 'fs-api' });
  });
});

describe('a backup', () => {
  const made = [
    ['backup-requested', requested('o1')],
    ['backup-began', began('o1')],
    ['backup-recorded', recorded('o1')],
    ['backup-succeeded', { operationId: 'o1' }],
  ] as [ProjectEvent['type'], object][];

  it('is known with the position at which it was allowed to begin', () => {
    expect(after(...made).backups.get('b1')).toEqual({
      ...{ in_doubt: false, damaged: false },
      project_id: 'atlas',
      id: 'b1',
      began_at: BEGAN + 3000,
      began_position: 3,
      recorded_position: 4,
      counter: { generation: 1, epoch: 'dawn', n: 7 },
      partial_because: [],
    });
  });

  it('that a later attempt claims may have been made by the first one', () => {
    const rows = after(
      ['backup-requested', requested('o1')],
      ['backup-began', began('o1', 1)],
      ['changed', { source: 'fs-api', at: moment(0) }],
      ['backup-began', began('o1', 2)],
      ['backup-recorded', recorded('o1')],
    );
    expect(rows.backups.get('b1')?.began_position).toBe(3);
  });

  it('is known with its beginning though its operation ended before its record', () => {
    const rows = after(...made.slice(0, 2), ['backup-expired', { operationId: 'o1' }], made[2]!);
    expect(rows.backups.get('b1')?.began_position).toBe(3);
  });

  it('of which nobody knows any more when it began has begun before everything', () => {
    expect(after(['backup-recorded', recorded('o1')]).backups.get('b1')?.began_position).toBe(0);
  });

  it('began when the log says so, whatever the clock of its host', () => {
    const wrong = { ...recorded('o1'), beganAt: '1970-01-01T00:00:00Z' };
    const rows = after(...made.slice(0, 2), ['backup-recorded', wrong]);
    expect(rows.backups.get('b1')?.began_at).toBe(BEGAN + 3000);
    expect(after(['backup-recorded', wrong]).backups.get('b1')?.began_at).toBe(BEGAN + 2000);
  });

  it('is suspicious no more once it is accepted', () => {
    const small = { ...recorded('o1'), partialBecause: ['unwitnessed', 'shrunken'] };
    const accepted: [ProjectEvent['type'], object] = ['backup-accepted', { backupId: 'b1', because: 'stayed-small' }];
    const rows = after(...made.slice(0, 2), ['backup-recorded', small], accepted);
    expect(rows.backups.get('b1')?.partial_because).toEqual(['unwitnessed']);
    expect(after(...made, accepted).backups.get('b1')?.partial_because).toEqual([]);
    expect(after(accepted).backups.size).toBe(0);
  });

  describe('that is deleted', () => {
    const forget = (ending: ProjectEvent['type'], data: object = {}, begins = true) =>
      [
        ...made,
        ['forget-requested', { ...requested('f1'), params: { backupId: 'b1' } }],
        ...(begins ? [['forget-began', began('f1')]] : []),
        [ending, { operationId: 'f1', ...data }],
      ] as [ProjectEvent['type'], object][];
    const doubtsAfter = (...events: [ProjectEvent['type'], object][]) => {
      const { project: about, backups } = after(...events);
      const inDoubt = [...backups.values()].filter((row) => row?.in_doubt).map((row) => row!.id);
      expect(about.in_doubt).toBe(inDoubt.length);
      return [inDoubt, about.doubts_since];
    };
    const tidy = (ending: ProjectEvent['type'], ...found: [ProjectEvent['type'], object][]) =>
      [
        ['tidy-requested', { ...requested('t1'), params: { remove: false } }],
        ...found,
        [ending, { operationId: 't1' }],
      ] as [ProjectEvent['type'], object][];

    it.each(['forget-expired', 'forget-failed'] as const)('may be gone after %s, if that had begun', (ending) => {
      expect(doubtsAfter(...forget(ending))).toEqual([['b1'], BEGAN + 8000]);
      expect(doubtsAfter(...forget(ending, {}, false))).toEqual([[], null]);
    });

    it('may be gone after a cancel that its host did not answer, and is there after one that it did', () => {
      expect(doubtsAfter(...forget('forget-cancelled', { code: 'cancel-unanswered' }))[0]).toEqual(['b1']);
      expect(doubtsAfter(...forget('forget-cancelled'))[0]).toEqual([]);
      expect(doubtsAfter(...forget('forget-succeeded'))[0]).toEqual([]);
    });

    it('is in doubt until it is found, or known to be gone', () => {
      const expired = forget('forget-expired');
      expect(doubtsAfter(...expired, ...tidy('tidy-failed'))).toEqual([['b1'], BEGAN + 10_000]);
      for (const type of ['backup-found', 'backup-deleted'] as const) {
        const found: [ProjectEvent['type'], object] = [type, { backupId: 'b1', operationId: 't1' }];
        expect(doubtsAfter(...expired, ...tidy('tidy-succeeded', found))).toEqual([[], null]);
        expect(doubtsAfter(...expired, found)).toEqual([[], null]);
      }
    });
  });

  it('is damaged from when that is found until it is whole again, or gone', () => {
    const damaged: [ProjectEvent['type'], object] = ['backups-damaged', { backupIds: ['b1', 'b2'], operationId: 'v1' }];
    const second = ['backup-recorded', recorded('o1', 'b2')] as [ProjectEvent['type'], object];
    const damagedAfter = (...events: [ProjectEvent['type'], object][]) =>
      [...after(...made, second, ...events).backups.values()].filter((row) => row?.damaged).map((row) => row!.id);
    expect(damagedAfter(damaged)).toEqual(['b1', 'b2']);
    expect(damagedAfter(damaged, damaged)).toEqual(['b1', 'b2']);
    expect(damagedAfter(damaged, ['backups-healed', { backupIds: ['b1'], operationId: 'v2' }])).toEqual(['b2']);
    expect(damagedAfter(damaged, ['backup-deleted', { backupId: 'b2', operationId: 'o2' }])).toEqual(['b1']);
  });

  it('is gone when it is deleted', () => {
    expect(after(...made, ['backup-deleted', { backupId: 'b1', operationId: 'o2' }]).backups.get('b1')).toBeNull();
  });
});

describe('a repository', () => {
  const verified = (...events: [ProjectEvent['type'], object][]) => after(...events).project.verified_at;
  const looked = { result: { repository: { total: 1 } } };
  const verifyThat = (end: ProjectEvent['type'], more: object = {}): [ProjectEvent['type'], object][] => [
    ['verify-requested', requested('v1')],
    [end, { operationId: 'v1', ...more }],
  ];
  const verify = verifyThat('verify-failed', looked);

  it('is looked at in time from its first backup, and then from the end of each look', () => {
    expect(verified(...verify)).toBeNull();
    expect(verified(['backup-recorded', recorded('o1')])).toBe(BEGAN + 2000);
    expect(verified(['backup-recorded', recorded('o1')], ['backup-recorded', recorded('o2', 'b2')])).toBe(BEGAN + 2000);
    expect(verified(['backup-recorded', recorded('o1')], ...verify)).toBe(BEGAN + 4000);
  });

  it.each(['verify-failed', 'verify-cancelled', 'verify-expired'] as const)(
    'has not been looked at by a %s that found nothing out, and waits for the others',
    (end) => {
      const { project } = after(['backup-recorded', recorded('o1')], ...verifyThat(end));
      expect(project).toMatchObject({ verified_at: BEGAN + 2000, last_verify_position: 4 });
    },
  );
});

describe('backup operations', () => {
  const failed = (operationId: string) =>
    [
      ['backup-requested', requested(operationId)],
      ['backup-failed', { operationId }],
    ] as [ProjectEvent['type'], object][];

  it('count their failures until a backup is made', () => {
    const twice = after(...failed('o1'), ...failed('o2'));
    expect(twice.project).toMatchObject({
      failed_backups: 2,
      last_backup_operation_id: 'o2',
      last_backup_ended_at: BEGAN + 5000,
    });
    const partial = after(
      ...failed('o1'),
      ['backup-requested', requested('o2')],
      ['backup-partial', { operationId: 'o2' }],
    );
    expect(partial.project.failed_backups).toBe(0);
    const cancelled = after(...failed('o1'), ['backup-cancelled', { operationId: 'o2' }]);
    expect(cancelled.project).toMatchObject({ failed_backups: 1, last_backup_outcome: 'cancelled' });
  });

  it('are open until they end, and then remembered for a while', () => {
    const open = after(['backup-requested', requested('o1')]);
    expect(open.operations).toMatchObject([{ id: 'o1', ended: false }]);
    const many = after(...Array.from({ length: REMEMBERED_BACKUPS + 3 }, (_, index) => failed(`o${index}`)).flat());
    expect(many.operations.map(({ id }) => id)).toEqual(
      Array.from({ length: REMEMBERED_BACKUPS }, (_, index) => `o${index + 3}`),
    );
  });
});

describe('time limits', () => {
  const limits = { queueSeconds: 60, stallSeconds: 1, attemptSeconds: 1, wholeSeconds: 600 };

  it('are told from the moment of the request', () => {
    const [row] = after(['backup-requested', { ...requested('o1'), limits }]).operations;
    expect(row).toMatchObject({ queue_until: BEGAN + 62_000, whole_until: BEGAN + 602_000, cancel_requested_at: null });
  });

  it('are the usual ones of its kind for an operation from before there were any', () => {
    const [row] = after(['restore-requested', requested('o1')]).operations;
    const { queueSeconds, wholeSeconds } = DEFAULT_LIMITS.restore;
    expect(row).toMatchObject({
      queue_until: BEGAN + 2_000 + queueSeconds * 1000,
      whole_until: BEGAN + 2_000 + wholeSeconds * 1000,
    });
  });

  it('of a cancel count from the first time that somebody asked for it', () => {
    const cancel: [ProjectEvent['type'], object] = ['backup-cancel-requested', { operationId: 'o1', requestedBy: 'a' }];
    const rows = after(['backup-requested', requested('o1')], ['backup-began', began('o1')], cancel, cancel);
    expect(rows.operations[0]!.cancel_requested_at).toBe(BEGAN + 4_000);
  });
});

it('a start that took effect after its operation was ended by others is taken note of', () => {
  expect(after(['runtime-changed', { operationId: 's', running: true }]).project.running).toBe(true);
});

describe('orphans', () => {
  const DAY_SECONDS = 24 * 60 * 60;
  const attempt = (id: string, ending: ProjectEvent['type']): [ProjectEvent['type'], object][] => [
    ['backup-requested', requested(id)],
    ['backup-began', began(id)],
    [ending, { operationId: id }],
  ];
  const tidy = (graceSeconds: number, ending?: ProjectEvent['type'], remove = true) => {
    const events: [ProjectEvent['type'], object][] = [
      ['tidy-requested', { ...requested('t'), params: { remove, graceSeconds } }],
    ];
    return ending === undefined ? events : [...events, [ending, { operationId: 't' }] as (typeof events)[number]];
  };
  const of = ({ project: { orphans_since, orphans_until } }: ProjectRows) => [orphans_since, orphans_until];
  /** Each event is a second after the one before; the first after the project's is the second. */
  const second = (position: number) => BEGAN + position * 1000;

  it.each(['backup-failed', 'backup-cancelled', 'backup-expired'] as const)(
    'may be left by a %s that had begun',
    (type) => {
      expect(of(after(...attempt('o1', type)))).toEqual([second(4), second(4)]);
      expect(of(after(['backup-requested', requested('o1')], [type, { operationId: 'o1' }]))).toEqual([null, null]);
    },
  );

  it('are not left by a backup that there is', () => {
    expect(of(after(...attempt('o1', 'backup-succeeded'), ...attempt('o2', 'backup-partial')))).toEqual([null, null]);
  });

  it('count from the first and to the last', () => {
    const rows = after(...attempt('o1', 'backup-failed'), ...attempt('o2', 'backup-failed'));
    expect(of(rows)).toEqual([second(4), second(7)]);
  });

  it('are gone after a tidying that covers them all', () => {
    expect(of(after(...attempt('o1', 'backup-failed'), ...tidy(0, 'tidy-succeeded')))).toEqual([null, null]);
  });

  it('of later than that are looked for in their own time', () => {
    const two = [...attempt('o1', 'backup-failed'), ...attempt('o2', 'backup-failed')];
    expect(of(after(...two, ...tidy(3, 'tidy-succeeded')))).toEqual([second(7), second(7)]);
  });

  it('are looked for anew some time after a tidying in vain', () => {
    const left = attempt('o1', 'backup-failed');
    expect(of(after(...left, ...tidy(0, 'tidy-failed')))).toEqual([second(6), second(4)]);
    expect(of(after(...left, ...tidy(DAY_SECONDS, 'tidy-succeeded')))).toEqual([second(6), second(4)]);
  });

  it('stay after a tidying that only looks, and while one is under way', () => {
    const left = attempt('o1', 'backup-failed');
    expect(of(after(...left, ...tidy(0, 'tidy-succeeded', false)))).toEqual([second(4), second(4)]);
    const rows = after(...left, ...tidy(1));
    expect(of(rows)).toEqual([second(4), second(4)]);
    expect(rows.operations.at(-1)).toMatchObject({ kind: 'tidy', tidies_before: second(4) });
  });
});

describe('until when a backup was certain to hold everything', () => {
  type Events = Parameters<typeof after>;
  const made: Events = [
    ['backup-requested', requested('o1')],
    ['backup-began', began('o1')],
    ['backup-recorded', recorded('o1')],
  ];
  const stale = (staleSince: string): Events[number] => [
    'freshness-changed',
    { freshness: 'stale', staleSince, reason: 'Changed.', lastCoveredBy: 'b1' },
  ];
  const unknown: Events[number] = ['freshness-changed', { freshness: 'unknown', reason: 'Its host is silent.' }];
  const restored = {
    operationId: 'o2',
    generation: 1,
    by: 'restored',
    backupId: 'b1',
    roots: ['project', 'persist'],
  } as const;
  const restoring: Events = [
    ['restore-requested', { ...requested('o2'), params: { backupId: 'b1' } }],
    ['restore-began', began('o2')],
  ];

  it('is what was stated, and outlives that nobody knows; no clock of a host puts it ahead', () => {
    expect(after(...made, stale(moment(4)), unknown).project.held_until).toEqual({ backupId: 'b1', at: BEGAN + 4000 });
    const ahead = after(...made, stale(moment(9000))).project;
    expect(ahead.held_until).toEqual({ backupId: 'b1', at: ahead.stated_at });
  });

  it('is when a restore of the whole began that brought it back', () => {
    const { project: whole } = after(...made, ...restoring, ['provisioned', restored]);
    expect(whole.held_until).toEqual({ backupId: 'b1', at: whole.provisioned_at! - 1000 });
    expect(whole.restored_position).toBe(whole.position);
    const { project: half } = after(...made, ...restoring, ['provisioned', { ...restored, roots: ['project'] }]);
    expect(half.held_until).toBeNull();
  });

  it('is not known of data that came otherwise, or are to come', () => {
    const held: Events = [...made, ...restoring, ['provisioned', restored]];
    const others: Events = [
      ['provisioned', { operationId: 'o3', generation: 1, by: 'created', roots: ['project', 'persist'] }],
      ['assigned', { hostId: 'host-2', generation: 2 }],
    ];
    for (const other of others) {
      expect(after(...held, other).project).toMatchObject({ held_until: null, restored_position: null });
    }
  });
});
