import { describe, expect, it } from '@jest/globals';
import type { NewEvent, OperationKind } from '@buckets/contracts';
import { openOperation } from '../state/project-state.js';
import { WholeProject } from '../state/testing/all-backups.js';
import { backedUp, doubted, event, logged, READY, requestedEvent, snapshot } from '../state/testing/given.js';
import { grantedBackups, lookForGrant } from './granted-backups.js';

const damaged = (...digits: number[]) =>
  event('backups-damaged', { backupIds: digits.map(snapshot), operationId: 'op-v' });
const small = (digit: number) => backedUp(digit, { partialBecause: ['shrunken'] });

/** What the attempt is told after these events, with no more of the backups at hand than is looked for. */
function granted(kind: OperationKind, events: readonly NewEvent<'project'>[], params: Record<string, unknown> = {}) {
  const project = WholeProject.after(logged([...READY, ...events, requestedEvent('op-1', kind, params)]));
  const open = openOperation(project.state!, 'op-1')!;
  const { restore, newest, ...more } = grantedBackups(project.with(lookForGrant(open))!, open);
  return { ...more, ...(restore && { restore: restore.id }), ...(newest && { newest: newest.id }) };
}

describe('what an attempt is told of the backups', () => {
  it('of a backup: the newest that is not suddenly small, and what is damaged', () => {
    const all = [...backedUp(1), ...backedUp(2), ...small(3), damaged(2, 1)];
    expect(granted('backup', all)).toEqual({ newest: snapshot(2), damagedBackups: [snapshot(2), snapshot(1)] });
    expect(granted('backup', [])).toEqual({});
  });

  it('of a restore: the one that was asked for', () => {
    const params = { backupId: snapshot(1) };
    expect(granted('restore', [...backedUp(1), ...backedUp(2)], params)).toEqual({ restore: snapshot(1) });
    expect(granted('restore', [...backedUp(2)], params)).toEqual({});
  });

  it('of a start: what the product chooses, or what somebody has to choose from', () => {
    expect(granted('start', [...backedUp(1), ...backedUp(2), ...doubted(2)])).toEqual({ restore: snapshot(1) });
    const undecided = {
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(2), partialBecause: ['shrunken'] },
    };
    expect(granted('start', [...backedUp(1), ...small(2)])).toEqual({ undecided });
    expect(granted('start', [...backedUp(1), ...small(2)], { backupId: snapshot(2) })).toEqual({
      restore: snapshot(2),
    });
    expect(granted('start', [...backedUp(1), damaged(1)])).toEqual({ damagedBackups: [snapshot(1)] });
  });

  it('of a verification what is damaged, of a tidying what is in doubt, and of the others nothing', () => {
    const all = [...backedUp(1), ...backedUp(2), damaged(1), ...doubted(2)];
    const damage = event('repository-damaged', { operationId: 'op-v', total: 2, first: [] });
    expect(granted('verify', [...all, damage])).toEqual({
      ...{ damage: { total: 2, first: [] }, damagedBackups: [snapshot(1)] },
    });
    expect(granted('tidy', all)).toEqual({ inDoubt: [snapshot(2)] });
    for (const kind of ['provision', 'stop', 'forget'] as const) expect(granted(kind, [...all, damage])).toEqual({});
  });
});
