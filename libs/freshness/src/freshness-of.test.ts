import { describe, expect, it } from '@jest/globals';
import { PROJECT_TROUBLES, type ChangeReport } from '@buckets/contracts';
import fc from 'fast-check';
import { freshnessOf, type ExistingBackup, type FreshnessFacts } from './freshness-of.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const MINUTE = 60_000;
const at = (minutes: number) => NOW + minutes * MINUTE;
const rfc = (minutes: number) => new Date(at(minutes)).toISOString();

const backup = (n: number, beganMinutes: number, more: Partial<ExistingBackup> = {}): ExistingBackup => ({
  backupId: String(n).padStart(64, '0'),
  beganAt: at(beganMinutes),
  beganPosition: 1000 + beganMinutes,
  recordedPosition: 2000 + beganMinutes,
  counter: { generation: 1, epoch: 'dawn', n },
  partialBecause: [],
  inDoubt: false,
  damaged: false,
  ...more,
});

const report = (n: number, more: Partial<ChangeReport> = {}): ChangeReport => ({
  counter: { generation: 1, epoch: 'dawn', n },
  sameAs: [],
  firstChanges: [],
  epochBeganAt: at(-500),
  watched: true,
  running: false,
  at: NOW,
  ...more,
});

const facts = (more: Partial<FreshnessFacts>): FreshnessFacts => ({
  generation: 1,
  provisioned: true,
  createdAt: at(-600),
  backups: [],
  outsideChanges: [],
  report: report(7),
  hostSeenAt: NOW,
  silenceLimitMs: MINUTE,
  ...more,
});

describe('a project is unknown', () => {
  it.each([...PROJECT_TROUBLES, 'of a later version'])(
    'while its host cannot use its data (%s), whatever counter it tells',
    (trouble) => {
      const found = freshnessOf(facts({ backups: [backup(7, -5)], report: report(7, { trouble }) }), NOW);
      expect(found).toEqual({ freshness: 'unknown', reason: expect.stringMatching(/^[A-Z].+\.$/) });
    },
  );
});

describe('a project is fresh', () => {
  it('when a backup began at the counter that its host reports', () => {
    expect(freshnessOf(facts({ backups: [backup(7, -5)] }), NOW)).toEqual({
      freshness: 'fresh',
      reason: 'A backup holds everything.',
      coveredBy: backup(7, -5).backupId,
      counter: { generation: 1, epoch: 'dawn', n: 7 },
    });
  });

  it('when a scan in a new epoch has shown that nothing changed since a backup', () => {
    const scanned = report(0, {
      counter: { generation: 1, epoch: 'noon', n: 0 },
      sameAs: [{ generation: 1, epoch: 'dawn', n: 7 }],
    });
    expect(freshnessOf(facts({ backups: [backup(7, -5)], report: scanned }), NOW).freshness).toBe('fresh');
  });

  it('by an older backup when the newest one is partial but nothing changed in between', () => {
    const partial = backup(7, -1, { backupId: 'f'.repeat(64), partialBecause: ['unreadable-files'] });
    const { freshness, coveredBy } = freshnessOf(facts({ backups: [partial, backup(7, -5)] }), NOW);
    expect({ freshness, coveredBy }).toEqual({ freshness: 'fresh', coveredBy: backup(7, -5).backupId });
  });
});

describe('what its host has looked at', () => {
  const looked = (minutes: number, more: Partial<ChangeReport> = {}) =>
    report(7, { lookedMs: -minutes * MINUTE, lookEveryMs: 15 * MINUTE, ...more });
  const found = (of: ChangeReport, reportHeardAt = NOW) =>
    freshnessOf(facts({ backups: [backup(7, -200)], report: of, reportHeardAt }), NOW);

  it('is fresh, and said to be so as of a look where nobody watches', () => {
    expect(found(looked(-10))).toMatchObject({ freshness: 'fresh', reason: 'A backup holds everything.' });
    expect(found(looked(-10))).not.toHaveProperty('watched');
    expect(found(looked(-10, { watched: false }))).toMatchObject({
      freshness: 'fresh',
      watched: false,
      reason: expect.stringMatching('when it last looked'),
    });
  });

  it.each([true, false])(
    'is unknown when the look is too long ago, however it was reported (watched: %s)',
    (watched) => {
      // Three times 15 minutes, and ten seconds.
      expect(found(looked(-45, { watched })).freshness).toBe('fresh');
      expect(found(looked(-46, { watched }))).toMatchObject({
        freshness: 'unknown',
        reason: 'Its host has not been able to look through it for a while.',
      });
      expect(found(looked(-20, { watched }), at(-26)).freshness).toBe('unknown');
      expect(found(looked(-20, { watched, lookedMs: undefined } as object)).freshness).toBe('unknown');
    },
  );

  it('is fresh by a look of lately only, whenever that was reported', () => {
    const ms = fc.integer({ min: 0, max: 200 * MINUTE });
    fc.assert(
      fc.property(
        ms,
        ms,
        fc.integer({ min: 1, max: 60 * MINUTE }),
        fc.boolean(),
        (lookedMs, heardMs, every, watched) => {
          const { freshness } = found(report(7, { lookedMs, lookEveryMs: every, watched }), NOW - heardMs);
          expect(freshness === 'fresh').toBe(lookedMs + heardMs <= 3 * every + 10_000);
        },
      ),
    );
  });

  it('is stale all the same by what is known to have changed', () => {
    const changed = { ...looked(-100), counter: { generation: 1, epoch: 'dawn', n: 8 } };
    expect(found(changed).freshness).toBe('stale');
  });

  it('of a host of an earlier version counts where it watches', () => {
    expect(found(report(7)).freshness).toBe('fresh');
    expect(found(report(7, { watched: false })).freshness).toBe('unknown');
  });
});

describe('a project is stale', () => {
  it('since the first change after its newest backup began', () => {
    const changed = report(9, {
      firstChanges: [
        { epoch: 'dawn', n: 3, at: at(-60) },
        { epoch: 'dawn', n: 7, at: at(-4) },
      ],
    });
    const result = freshnessOf(facts({ backups: [backup(3, -90), backup(7, -5)], report: changed }), NOW);
    expect(result).toMatchObject({
      freshness: 'stale',
      staleSince: rfc(-4),
      reason: 'Changed since its newest backup began.',
    });
  });

  it.each([
    [Number.MAX_SAFE_INTEGER, '9999-12-31T23:59:59.999Z'],
    [1e300, '9999-12-31T23:59:59.999Z'],
    [-1e300, rfc(-5)],
  ])('since a moment that a fact can have, whatever number its host says: %d', (said, staleSince) => {
    const firstChanges = [{ epoch: 'dawn', n: 6, at: said }];
    const found = freshnessOf(facts({ backups: [backup(6, -5)], report: report(7, { firstChanges }) }), NOW);
    expect(found).toMatchObject({ freshness: 'stale', staleSince });
  });

  it('while what holds everything is damaged, and fresh by another one that is not', () => {
    const damaged = backup(7, -1, { backupId: 'f'.repeat(64), damaged: true });
    expect(freshnessOf(facts({ backups: [damaged] }), NOW)).toMatchObject({
      freshness: 'stale',
      reason: expect.stringContaining('damaged'),
    });
    expect(freshnessOf(facts({ backups: [damaged, backup(7, -5)] }), NOW)).toMatchObject({
      freshness: 'fresh',
      coveredBy: backup(7, -5).backupId,
    });
  });

  it('since an earlier change once its newest backup is deleted', () => {
    const changed = report(9, {
      firstChanges: [
        { epoch: 'dawn', n: 3, at: at(-60) },
        { epoch: 'dawn', n: 7, at: at(-4) },
      ],
    });
    expect(freshnessOf(facts({ backups: [backup(3, -90)], report: changed }), NOW).staleSince).toBe(rfc(-60));
  });

  it('since its newest backup began when nobody remembers the first change after it', () => {
    expect(freshnessOf(facts({ backups: [backup(3, -90)] }), NOW).staleSince).toBe(rfc(-90));
  });

  it('since the first change after a backup that a scan in a new epoch had still found to be right', () => {
    const changed = report(1, {
      counter: { generation: 1, epoch: 'noon', n: 1 },
      firstChanges: [{ epoch: 'dawn', n: 7, at: at(-2) }],
    });
    expect(freshnessOf(facts({ backups: [backup(7, -5)], report: changed }), NOW).staleSince).toBe(rfc(-2));
  });

  it('since its newest backup began when the worker restarted and no scan has shown that nothing changed', () => {
    const restarted = report(0, {
      counter: { generation: 1, epoch: 'noon', n: 0 },
      firstChanges: [{ epoch: 'noon', n: 7, at: NOW }],
    });
    expect(freshnessOf(facts({ backups: [backup(7, -5)], report: restarted }), NOW)).toMatchObject({
      freshness: 'stale',
      staleSince: rfc(-5),
      reason:
        'The host began to watch it anew after its newest backup, and no scan has shown yet that nothing changed.',
    });
  });

  const anew = (more: Partial<ChangeReport> = {}) =>
    report(1, { counter: { generation: 1, epoch: 'noon', n: 1 }, lastChangeSource: 'watcher-renewed', ...more });

  it('since no earlier moment than was certain before, whoever watches anew; another backup says nothing of that', () => {
    const backups = [backup(7, -5)];
    const heldUntil = { backupId: backups[0]!.backupId, at: at(-2) };
    expect(freshnessOf(facts({ backups, heldUntil, report: anew() }), NOW)).toMatchObject({
      staleSince: rfc(-2),
      lastCoveredBy: heldUntil.backupId,
    });
    const other = { ...heldUntil, backupId: backup(3, -90).backupId };
    expect(freshnessOf(facts({ backups, heldUntil: other, report: anew() }), NOW).staleSince).toBe(rfc(-5));
  });

  it('and is not said to have changed where the host has only begun to watch it anew', () => {
    const reasonOf = (more: Partial<FreshnessFacts>) =>
      freshnessOf(facts({ backups: [backup(7, -5)], ...more }), NOW).reason;
    expect(reasonOf({ report: anew() })).toMatch(/^The host began to watch it anew .* no scan has shown yet/);
    expect(reasonOf({ report: anew({ lastChangeSource: 'watcher' }) })).toMatch(/^Changed since/);
    expect(reasonOf({ report: anew(), restoredPosition: 996 })).toMatch(/^Restored since its newest backup began/);
    expect(reasonOf({ report: anew(), restoredPosition: 994 })).not.toMatch(/^Restored/);
  });

  it('by a change from outside that the log had after its backup was allowed to begin', () => {
    const outsideChanges = [
      { position: 990, at: at(-10), source: 'agent-edit' },
      { position: 996, at: at(-3), source: 'fs-api' },
      { position: 998, at: at(-2), source: 'agent-edit' },
    ];
    expect(freshnessOf(facts({ backups: [backup(7, -5)], outsideChanges }), NOW)).toMatchObject({
      freshness: 'stale',
      staleSince: rfc(-3),
      reason: 'Changed by fs-api since its newest backup began.',
    });
  });

  it('with a partial backup only, since it was created', () => {
    const partial = backup(7, -5, { partialBecause: ['unreadable-files', 'shrunken'] });
    expect(freshnessOf(facts({ backups: [partial] }), NOW)).toMatchObject({
      freshness: 'stale',
      staleSince: rfc(-600),
      reason: 'The newest backup is partial: some files could not be read, the project had suddenly shrunken.',
    });
  });

  it('after it came to another host, though the counters look alike', () => {
    const elsewhere = report(7, { counter: { generation: 2, epoch: 'dawn', n: 7 } });
    expect(freshnessOf(facts({ generation: 2, backups: [backup(7, -5)], report: elsewhere }), NOW)).toMatchObject({
      freshness: 'stale',
      staleSince: rfc(-5),
      reason: 'It came to its host after its newest backup, and has had no backup there yet.',
    });
  });

  it('until its host has reported from after the beginning of its backup', () => {
    expect(freshnessOf(facts({ backups: [backup(8, -5)] }), NOW)).toMatchObject({
      freshness: 'stale',
      reason: 'Its host has not reported on it since its newest backup began.',
    });
  });
});

describe('a project is unknown', () => {
  it('while its host is silent, whatever was reported before', () => {
    expect(freshnessOf(facts({ backups: [backup(7, -5)], hostSeenAt: at(-1) - 1 }), NOW)).toEqual({
      freshness: 'unknown',
      reason: 'Its host is silent.',
    });
  });

  it.each([
    ['nobody has reported on it', undefined],
    ['only the host that had it before has', report(7)],
  ])('while %s', (_, earlier) => {
    const { freshness } = freshnessOf(facts({ generation: 2, backups: [backup(7, -5)], report: earlier }), NOW);
    expect(freshness).toBe('unknown');
  });

  it('while it has no host, or its data are not on it', () => {
    const without = { backups: [backup(7, -5)], provisioned: false };
    const shown = (more: object) => freshnessOf(facts({ ...without, ...more }), NOW);
    expect(shown({ hostId: null })).toEqual({ freshness: 'unknown', reason: 'It has no host yet.' });
    const reason = 'Its host has no data of its present assignment yet.';
    for (const more of [{}, { hostId: 'h1' }]) expect(shown(more)).toEqual({ freshness: 'unknown', reason });
  });
});

it('a project without any backup is never backed up, silent host or not', () => {
  const { hostSeenAt: _, ...silent } = facts({});
  expect(freshnessOf(silent, NOW)).toEqual({ freshness: 'never', reason: 'No backup of it exists.' });
});
