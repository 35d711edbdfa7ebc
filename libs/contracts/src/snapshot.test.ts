import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  asDescribed,
  BackupRecord,
  descriptionOf,
  faultInDescription,
  operationOf,
  operationTag,
  unwitnessedRecord,
  type DescribedPlace,
  type SelfDescribed,
  type SnapshotDescription,
} from './index.js';
import { faultIn } from './check-data.js';

const description: SnapshotDescription = {
  layout: 'v2',
  project: 'atlas',
  host: 'h1',
  generation: 3,
  operation: 'op-1',
  beganAt: '2031-02-03T04:05:06.789Z',
  beganPosition: 42,
  counter: { generation: 3, epoch: 'dawn', n: 1 },
  consistency: 'live',
  version: '0.1.0',
};
const snapshot = (changes: Partial<SelfDescribed> = {}): SelfDescribed => ({
  id: 'ab'.repeat(32),
  time: '2031-02-03T05:05:07.123456789+01:00',
  hostname: 'atlas',
  tags: ['operation:op-1', 'kind:backup'],
  description: JSON.stringify(description),
  parent: undefined,
  summary: { total_files_processed: 7, total_bytes_processed: 700, backup_end: '2031-02-03T04:06:00Z' },
  ...changes,
});

describe('what a snapshot says of itself', () => {
  it('is read where it calls itself a backup of the project', () => {
    expect(descriptionOf(snapshot(), 'atlas')).toEqual(description);
    expect(faultInDescription(description)).toBeNull();
  });

  it.each([
    ['another project', snapshot(), 'boreas'],
    ['another host name', snapshot({ hostname: 'boreas' }), 'atlas'],
    ['another layout', snapshot({ description: JSON.stringify({ ...description, layout: 'v1' }) }), 'atlas'],
    ["a person's words", snapshot({ description: 'before the move' }), 'atlas'],
    ['a number', snapshot({ description: '7' }), 'atlas'],
    ['nothing', snapshot({ description: undefined }), 'atlas'],
  ])('is nothing of ours with %s', (_, of, projectId) => {
    expect(descriptionOf(of, projectId)).toBeNull();
  });

  it.each([
    ['no generation', { generation: undefined }],
    ['a generation that no column holds', { generation: 2 ** 31 }],
    ['a host that is no id', { host: '../h1' }],
    ['a moment that is none', { beganAt: 'yesterday' }],
    ['a counter that is none', { counter: 3 }],
    ['a position that is none', { beganPosition: -1 }],
  ])('cannot be a fact with %s', (_, changes) => {
    expect(faultInDescription({ ...description, ...changes } as SnapshotDescription)).toMatch(/must/);
  });

  it('is no description of ours where it is deep, and brings nothing into a fact that nobody knows', () => {
    const deep = JSON.stringify({ ...description, counter: '@' }).replace(
      '"@"',
      '['.repeat(50_000) + ']'.repeat(50_000),
    );
    expect(descriptionOf(snapshot({ description: deep }), 'atlas')).toBeNull();
    const more = { ...description, counter: { ...description.counter, more: [[[1]]] } };
    expect(faultInDescription(more)).toBeNull();
    expect(unwitnessedRecord(snapshot(), more).counter).toEqual(description.counter);
  });

  it('names one operation as its maker, or none', () => {
    expect(operationOf(snapshot({ tags: [operationTag('op-1')] }))).toBe('op-1');
    expect(operationOf({ tags: [operationTag('op-1')] })).toBe('op-1');
    expect(operationOf(snapshot({ tags: [operationTag('op-2')] }))).toBeUndefined();
    expect(operationOf({ tags: [operationTag('op-1'), operationTag('op-2')] })).toBeUndefined();
    expect(operationOf({ tags: ['operation:', 'mine'] })).toBeUndefined();
    expect(operationOf(snapshot({ tags: [] }))).toBeUndefined();
  });

  it('gives a record that can be a fact, whatever its summary and times hold', () => {
    expect(unwitnessedRecord(snapshot(), description)).toMatchObject({
      ...{ backupId: 'ab'.repeat(32), operationId: 'op-1', partialBecause: ['unwitnessed'], files: 7, bytes: 700 },
      endedAt: '2031-02-03T04:06:00.000Z',
    });
    const farAway = fc.constantFrom('+012345-01-01T00:00:00Z', '-000001-01-01T00:00:00Z', '9999-12-31T23:59:59-12:00');
    const junk = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1.5, 1e300, Number.NaN, undefined), farAway);
    const names = ['total_files_processed', 'total_dirs_processed', 'total_bytes_processed', 'backup_end', 'files_new'];
    fc.assert(
      fc.property(
        fc.option(fc.dictionary(fc.constantFrom(...names), junk)),
        fc.oneof(fc.string(), farAway),
        (summary, time) => {
          const told = snapshot({ time, summary: summary ?? undefined });
          expect(faultIn(BackupRecord, unwitnessedRecord(told, description))).toBeNull();
        },
      ),
    );
  });
});

describe('the order in which snapshots say that they began', () => {
  /** Backups as logs have let them begin, one log lost after another; a lost log's recovery raises the generation. */
  const history = fc
    .array(
      fc.record({ isNewLog: fc.nat(5).map((n) => n === 0), isReassigned: fc.boolean(), gap: fc.integer({ min: 1 }) }),
      {
        maxLength: 20,
      },
    )
    .map((steps) => {
      let [generation, position] = [1, 0];
      return steps.map(({ isNewLog, isReassigned, gap }, index): DescribedPlace => {
        if (isNewLog) position = 0;
        if (isNewLog || isReassigned) generation++;
        position += (gap % 100) + 1;
        // Clocks of hosts say anything.
        const beganAt = new Date(gap % 4e12).toISOString();
        return { backupId: String(index).padStart(64, '0'), generation, beganPosition: position, beganAt };
      });
    });

  it('is that in which they began, whatever log it was and whatever the clocks said', () => {
    const shuffled = history.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(fc.property(shuffled, ([all, some]) => expect(some.toSorted(asDescribed)).toEqual(all)));
  });

  it('has what does not say its position before what does, and goes by clocks among these', () => {
    const place = (backupId: string, beganAt: string, beganPosition?: number): DescribedPlace => ({
      ...{ backupId, generation: 1, beganAt },
      ...(beganPosition === undefined ? {} : { beganPosition }),
    });
    const [late, early] = ['2031-01-02T00:00:00Z', '2031-01-01T00:00:00Z'];
    const all = [place('a', early), place('b', late), place('c', late, 3), place('d', early, 4)];
    expect(all.toReversed().toSorted(asDescribed)).toEqual(all);
  });
});
