import { describe, expect, it } from '@jest/globals';
import { newestFirst, PARTIAL_REASONS, type PartialReason } from '@buckets/contracts';
import fc from 'fast-check';
import { noLongerKept, type KeptBackup } from './no-longer-kept.js';

/** One backup for each moment; `!` marks one that is suddenly empty, `?` one that a deletion may have removed, `#` a damaged one. */
const made = (...moments: string[]): KeptBackup[] =>
  moments.map((moment, index) => ({
    id: moment,
    beganAt: Date.parse(`${moment.replace(/[!?#]$/, '')}Z`),
    beganPosition: 2 * index,
    recordedPosition: 2 * index + 1,
    partialBecause: moment.endsWith('!') ? ['empty'] : [],
    inDoubt: moment.endsWith('?'),
    damaged: moment.endsWith('#'),
  }));

describe('a retention', () => {
  it('that says nothing keeps all', () => {
    expect(noLongerKept(made('2031-01-01T01:00', '2031-01-02T01:00'), {})).toEqual([]);
  });

  it('keeps the newest so many', () => {
    const backups = made('2031-01-01T01:00', '2031-01-01T02:00', '2031-01-01T03:00', '2031-01-01T04:00');
    expect(noLongerKept(backups, { last: 2 })).toEqual(['2031-01-01T01:00', '2031-01-01T02:00']);
  });

  it('keeps the newest of each of the newest days, weeks and months that have one', () => {
    const backups = made(
      '2031-01-05T23:59', // A Sunday.
      '2031-01-06T00:00',
      '2031-01-06T12:00',
      '2031-03-01T01:00',
      '2031-03-03T01:00',
      '2031-03-03T02:00',
    );
    const kept = (retention: object) => {
      const gone = noLongerKept(backups, retention);
      return backups.map(({ id }) => id).filter((id) => !gone.includes(id));
    };
    expect(kept({ daily: 3 })).toEqual(['2031-01-06T12:00', '2031-03-01T01:00', '2031-03-03T02:00']);
    expect(kept({ weekly: 4 })).toEqual([
      '2031-01-05T23:59',
      '2031-01-06T12:00',
      '2031-03-01T01:00',
      '2031-03-03T02:00',
    ]);
    expect(kept({ monthly: 12 })).toEqual(['2031-01-06T12:00', '2031-03-03T02:00']);
    expect(kept({ last: 1, monthly: 2 })).toEqual(['2031-01-06T12:00', '2031-03-03T02:00']);
  });

  it('lets no good backup go for those that are suddenly empty, and keeps the newest of these', () => {
    const backups = made('2031-01-01T01:00', '2031-01-01T02:00', '2031-01-02T01:00!', '2031-01-03T01:00!');
    expect(noLongerKept(backups, { last: 1 })).toEqual(['2031-01-01T01:00', '2031-01-02T01:00!']);
  });

  it('lets no good backup go for those that are damaged, and keeps the newest of these', () => {
    const backups = made('2031-01-01T01:00', '2031-01-01T02:00', '2031-01-02T01:00#', '2031-01-03T01:00#');
    expect(noLongerKept(backups, { last: 1 })).toEqual(['2031-01-01T01:00', '2031-01-02T01:00#']);
  });

  it('takes for newer what was allowed to begin later, whenever that is said to have been', () => {
    expect(noLongerKept(made('2031-01-02T01:00', '2031-01-01T01:00'), { last: 1 })).toEqual(['2031-01-02T01:00']);
  });

  it('neither counts nor deletes what a deletion may have removed', () => {
    const backups = made('2031-01-01T01:00', '2031-01-01T02:00', '2031-01-01T03:00?');
    expect(noLongerKept(backups, { last: 2 })).toEqual([]);
    expect(noLongerKept(backups, { last: 1 })).toEqual(['2031-01-01T01:00']);
    expect(noLongerKept(made('2031-01-01T01:00', '2031-01-01T02:00?'), { last: 1 })).toEqual([]);
  });

  const reasons = fc.subarray<PartialReason>([...PARTIAL_REASONS]);
  const backups = fc.uniqueArray(
    fc.record({
      id: fc.uuid(),
      beganPosition: fc.nat(100),
      recordedPosition: fc.nat(),
      beganAt: fc.integer({ min: Date.parse('2030-01-01'), max: Date.parse('2032-01-01') }),
      partialBecause: reasons,
      inDoubt: fc.boolean(),
      damaged: fc.boolean(),
    }),
    { selector: ({ id }) => id, maxLength: 60 },
  );
  const number = fc.integer({ min: 1, max: 12 });
  const retention = fc.record({ last: number, daily: number, weekly: number, monthly: number }, { requiredKeys: [] });
  const isGood = ({ partialBecause, inDoubt, damaged }: KeptBackup) =>
    !inDoubt && !damaged && !partialBecause.includes('empty') && !partialBecause.includes('shrunken');
  const without = (all: readonly KeptBackup[], ids: readonly string[]) => all.filter(({ id }) => !ids.includes(id));

  it('always keeps the newest good one, keeps no more once it has been followed, and more of it keeps more', () => {
    fc.assert(
      fc.property(backups, retention, number, (all, kept, more) => {
        const gone = noLongerKept(all, kept);
        const left = without(all, gone);
        const good = newestFirst(all.filter(isGood));
        expect(left).toEqual(expect.arrayContaining([...good.slice(0, 1), ...all.filter(({ inDoubt }) => inDoubt)]));
        expect(noLongerKept(left, kept)).toEqual([]);
        const larger = Object.fromEntries(Object.entries(kept).map(([name, count]) => [name, count + more]));
        expect(gone).toEqual(expect.arrayContaining(noLongerKept(all, larger)));
        // What is empty, shrunken or damaged changes nothing for the others.
        const goneOfGood = gone.filter((id) => good.some((one) => one.id === id));
        expect(noLongerKept(good, kept)).toEqual(goneOfGood);
      }),
    );
  });
});
