import { describe, expect, it } from '@jest/globals';
import type { LoggedEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { dueOfProject, needsNewestBackup, type KnownProject } from './due-of-project.js';
import { evolve, type ProjectRows } from './evolve.js';

const BEGAN = Date.parse('2031-02-03T04:05:06.789Z');
const MINUTE = 60_000;

type Told = [LoggedEvent<'project'>['type'], object];

const id = fc.constantFrom('o1', 'o2', 'o3');
const backupId = fc.constantFrom('b1', 'b2', 'b3');
const host = fc.constantFrom('h1', 'h2');
const KINDS = ['backup', 'restore', 'forget', 'tidy', 'verify'] as const;
const kind = fc.constantFrom(...KINDS);
const ending = fc.constantFrom('succeeded', 'failed', 'expired', 'cancelled');

const told: fc.Arbitrary<Told> = fc.oneof(
  fc.tuple(kind, id, host, backupId, fc.boolean()).map(([of, n, hostId, backup, remove]): Told => {
    const operationId = `${of}-${n}`;
    const params = { backupId: backup, remove, graceSeconds: 60 };
    return [`${of}-requested`, { operationId, hostId, generation: 1, params, requestedBy: 'admin' }];
  }),
  fc.tuple(kind, id).map(([of, n]): Told => [`${of}-began`, { operationId: `${of}-${n}`, attempt: 1, attemptId: 'a' }]),
  fc.tuple(kind, id).map(([of, n]): Told => [`${of}-cancel-requested`, { operationId: `${of}-${n}` }]),
  fc.tuple(kind, id, ending).map(([of, n, outcome]): Told => [`${of}-${outcome}`, { operationId: `${of}-${n}` }]),
  fc.tuple(id, backupId, fc.boolean()).map(([n, backup, partial]): Told => {
    const operationId = `backup-${n}`;
    const counter = { generation: 1, epoch: 'dawn', n: 1 };
    const partialBecause = partial ? ['unreadable'] : [];
    return [
      'backup-recorded',
      { operationId, backupId: backup, counter, partialBecause, beganAt: '2031-01-01T00:00:00Z' },
    ];
  }),
  backupId.map((backup): Told => ['backup-deleted', { backupId: backup, operationId: 'f' }]),
  fc
    .constantFrom('stale', 'fresh', 'unknown')
    .map((freshness): Told => ['freshness-changed', { freshness, reason: '' }]),
  fc.constant<Told>(['provisioned', { operationId: 'p', generation: 1, by: 'created', roots: [] }]),
  fc.constant<Told>(['updated', { retention: { last: 1 } }]),
  host.map((hostId): Told => ['assigned', { hostId, generation: 1 }]),
);

/** The rows after each event; a minute passes between one and the next. Nothing is asked for under an id twice. */
function storyOf(told: readonly Told[]): ProjectRows[] {
  const asked = new Set<string>();
  const events = told.filter(([type, { operationId = '' }]: [string, { operationId?: string }]) => {
    const again = type.endsWith('-requested') && !type.endsWith('cancel-requested') && asked.has(operationId);
    if (type.endsWith('-requested')) asked.add(operationId);
    return !again;
  });
  const first: Told = ['created', { hostId: 'h1', generation: 1, ownerId: 'o', backupIntervalMinutes: 60 }];
  let rows: ProjectRows | null = null;
  return [first, ...events].map(([type, data], index) => {
    const time = new Date(BEGAN + index * MINUTE).toISOString();
    const event = { thing: 'project', id: 'atlas', type, data, position: index + 1, messageId: '', time };
    rows = evolve(rows, event as LoggedEvent<'project'>);
    return rows!;
  });
}

/** As the projection knows it. */
function known({ project, operations, backups }: ProjectRows): KnownProject {
  const there = [...backups.values()].filter((row) => row !== null && !row.in_doubt && !row.damaged);
  const newest = there.toSorted(
    (a, b) => b!.began_position - a!.began_position || b!.recorded_position - a!.recorded_position,
  );
  return { project, operations, newestBackup: needsNewestBackup(project) ? (newest[0] ?? null) : null };
}

const stories = fc.array(told, { maxLength: 25 });

describe('whatever happens to a project', () => {
  it('there is one row at most of each sort of its work, with a key that fits, and in the turn of a host', () => {
    fc.assert(
      fc.property(stories, (events) => {
        for (const rows of storyOf(events)) {
          const due = dueOfProject(known(rows));
          const sorts = due.map((each) => `${each.kind}/${each.subject ?? ''}`);
          expect(new Set(sorts).size).toBe(due.length);
          for (const { key, lane, dueAt } of due) {
            expect(key.length).toBeLessThan(150);
            expect(lane).toMatch(/^h[12]$/);
            expect(Number.isFinite(dueAt)).toBe(true);
          }
        }
      }),
    );
  });

  it('no work is asked for beside an operation that does it, and each open one has a time at which it is up', () => {
    fc.assert(
      fc.property(stories, (events) => {
        for (const rows of storyOf(events)) {
          const open = rows.operations.filter(({ ended }) => !ended);
          const kinds = new Set(dueOfProject(known(rows)).map((each) => each.kind));
          const isOpen = (...some: string[]) => open.some((operation) => some.includes(operation.kind));
          if (isOpen('backup', 'restore')) expect(kinds).not.toContain('backup');
          if (isOpen('forget')) expect(kinds).not.toContain('retention');
          if (isOpen('verify')) expect(kinds).not.toContain('verification');
          if (isOpen('forget', 'tidy')) expect(kinds).not.toContain('doubts');
          const limits = dueOfProject(known(rows)).filter((each) => each.kind === 'limit');
          expect(limits.map(({ subject }) => subject).sort()).toEqual(open.map((operation) => operation.id).sort());
        }
      }),
    );
  });

  it('an operation that ended makes the work another one: its request would find the old one', () => {
    const works = { backup: 'backup', forget: 'retention', verify: 'verification' } as const;
    fc.assert(
      fc.property(stories, fc.constantFrom('backup', 'forget', 'verify'), (events, of) => {
        const request: Told[] = [
          [`${of}-requested`, { operationId: 'last', hostId: 'h1', generation: 1, params: { backupId: 'b1' } }],
          [`${of}-failed`, { operationId: 'last' }],
        ];
        const all = storyOf([...events, ...request]);
        const keyIn = (rows: ProjectRows) => dueOfProject(known(rows)).find((each) => each.kind === works[of])?.key;
        const [before, after] = [keyIn(all.at(-3)!), keyIn(all.at(-1)!)];
        if (before !== undefined && after !== undefined) expect(after).not.toBe(before);
      }),
    );
  });
});
