import { describe, expect, it } from '@jest/globals';
import { ChangeLedger } from './change-ledger.js';
import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import { covers } from '@buckets/freshness';

const now = { at: 100, watched: true, running: false };
const tree = (fingerprint: string, settled = true) => ({ fingerprint, entries: 1, settled });

function ledgerAt(
  epoch = 'one',
  remembered?: ConstructorParameters<typeof ChangeLedger>[0]['remembered'],
): ChangeLedger {
  return new ChangeLedger({ generation: 3, epoch, at: 1, remembered });
}

function quietBackup(ledger: ChangeLedger, fingerprint = 'a') {
  ledger.scanned(ledger.counter, tree(fingerprint), 2);
  const { counter, quiet } = ledger.beginBackup(3);
  expect(quiet).toBe(true);
  return counter;
}

describe('the change ledger of a project', () => {
  it('lets a backup that began on a scanned tree cover the project until the next change', () => {
    const ledger = ledgerAt();
    const backup = quietBackup(ledger);
    expect(covers(backup, ledger.report(now))).toBe(true);
    ledger.raise(50, 'watcher');
    expect(covers(backup, ledger.report(now))).toBe(false);
  });

  it('says since when a backup has been overtaken: the first change after it began, not the last', () => {
    const ledger = ledgerAt();
    const first = quietBackup(ledger);
    expect(ledger.raise(50, 'watcher')).toBe(true);
    expect(ledger.raise(60, 'watcher')).toBe(false);
    const second = quietBackup(ledger, 'b');
    ledger.raise(70, 'fs-api');
    const report = ledger.report(now);
    expect([changedSince(first, report), changedSince(second, report)]).toEqual([50, 70]);
    expect(report).toMatchObject({ lastChangeAt: 70, lastChangeSource: 'fs-api', epochBeganAt: 1 });
  });

  it('makes a backup that the present epoch never knew stale since the epoch began', () => {
    expect(changedSince({ generation: 3, epoch: 'lost', n: 0 }, ledgerAt().report(now))).toBe(1);
    expect(changedSince({ generation: 2, epoch: 'one', n: 0 }, ledgerAt().report(now))).toBe(1);
  });

  it('never lets a backup cover that began without a reference, not even when a later scan is quiet', () => {
    const ledger = ledgerAt();
    const { counter, quiet } = ledger.beginBackup(3);
    expect(quiet).toBe(false);
    expect(covers(counter, ledger.report(now))).toBe(false);
    ledger.scanned(ledger.counter, tree('a'), 4);
    expect(covers(counter, ledger.report(now))).toBe(false);
  });

  it('takes no scan as a reference that a change came into, or that did not settle', () => {
    const ledger = ledgerAt();
    const began = ledger.counter;
    ledger.raise(2, 'watcher');
    expect(ledger.scanned(began, tree('a'), 3)).toBe('moved');
    expect(ledger.referenced).toBe(false);
    expect(ledger.scanned(ledger.counter, tree('a', false), 3)).toBe('first-look');
    expect(ledger.referenced).toBe(false);
  });

  it('finds a change that no watcher saw by the next scan', () => {
    const ledger = ledgerAt();
    const backup = quietBackup(ledger);
    expect(ledger.scanned(ledger.counter, tree('b', false), 9)).toBe('missed');
    expect(covers(backup, ledger.report(now))).toBe(false);
    expect(changedSince(backup, ledger.report(now))).toBe(2);
  });

  it('takes back a needless raise when a scan finds the tree as it was, until the next change', () => {
    const ledger = ledgerAt();
    const backup = quietBackup(ledger);
    ledger.raise(50, 'watcher-overflow');
    expect(ledger.scanned(ledger.counter, tree('a'), 55)).toBe('same');
    expect(covers(backup, ledger.report(now))).toBe(true);
    expect(ledger.raise(60, 'watcher')).toBe(true);
    expect(changedSince(backup, ledger.report(now))).toBe(60);
  });

  it('is stale after a restart until a scan finds the remembered tree, whatever the epoch', () => {
    const before = ledgerAt();
    const backup = quietBackup(before);
    const after = ledgerAt('two', before.remembered);
    expect(covers(backup, after.report(now))).toBe(false);
    after.raise(5, 'watcher-renewed');
    after.scanned(after.counter, tree('a'), 6);
    expect(covers(backup, after.report(now))).toBe(true);
    after.raise(7, 'watcher');
    expect(changedSince(backup, after.report(now))).toBe(7);
  });

  it('stays stale after a restart with another tree, and does not remember the old one any more', () => {
    const before = ledgerAt();
    const backup = quietBackup(before);
    const after = ledgerAt('two', before.remembered);
    after.scanned(after.counter, tree('b'), 6);
    expect(covers(backup, after.report(now))).toBe(false);
    expect(after.remembered).toBeUndefined();
  });

  it('knows nothing of backups that began after its memory was written', () => {
    const before = ledgerAt();
    quietBackup(before);
    const old = before.remembered;
    before.raise(5, 'watcher');
    const newer = quietBackup(before, 'b');
    const rolledBack = ledgerAt('two', old);
    rolledBack.scanned(rolledBack.counter, tree('a'), 6);
    expect(covers(newer, rolledBack.report(now))).toBe(false);
  });

  it('begins anew with another generation or a restore: no earlier backup covers, whatever the scan', () => {
    const ledger = ledgerAt();
    const backup = quietBackup(ledger);
    ledger.beginEpoch('two', 9, 4);
    ledger.scanned(ledger.counter, tree('a'), 10);
    expect(covers(backup, ledger.report(now))).toBe(false);
    expect(ledger.report(now)).toMatchObject({
      counter: { generation: 4, epoch: 'two', n: 0 },
      sameAs: [],
      firstChanges: [],
    });
  });

  it('keeps lists short: 20 first changes, 8 backups of the same tree', () => {
    const ledger = ledgerAt();
    for (let i = 0; i < 30; i++) {
      quietBackup(ledger);
      ledger.raise(i, 'watcher');
    }
    ledger.scanned(ledger.counter, tree('a'), 99);
    const report: ChangeReport = ledger.report(now);
    expect(report.sameAs).toHaveLength(8);
    expect(report.firstChanges.length).toBeLessThanOrEqual(20);
    expect(ledger.remembered?.backups).toHaveLength(8);
  });
});

/** When the project first changed after a backup, as the report tells; of one that it does not know, since it watches. */
function changedSince(backup: ChangeCounter, report: ChangeReport): number {
  const known =
    backup.generation === report.counter.generation &&
    report.firstChanges.find(({ epoch, n }) => epoch === backup.epoch && n === backup.n);
  return known ? known.at : report.epochBeganAt;
}
