import { describe, expect, it } from '@jest/globals';
import { FRESHNESS_STATES } from '@buckets/contracts';
import fc from 'fast-check';
import {
  SCHEDULER_IS_SILENT,
  shownFreshness,
  type Confirmed,
  type ShownFreshness,
  type StatedFreshness,
} from './shown-freshness.js';

const LIMIT = 60_000;
const moment = fc.integer({ min: 0, max: 200_000 });
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

const stated: fc.Arbitrary<StatedFreshness> = fc
  .record({ freshness: fc.constantFrom(...FRESHNESS_STATES), isWatched: fc.boolean() })
  .map(({ freshness, isWatched }) => ({
    freshness,
    reason: 'Stated.',
    ...(freshness === 'stale' ? { staleSince: '2031-05-06T12:00:00.000Z' } : {}),
    ...(freshness === 'fresh' ? { coveredBy: 'b1', ...(isWatched ? {} : { watched: false }) } : {}),
  }));
const confirmed: fc.Arbitrary<Confirmed> = fc
  .record({
    byLogAt: optional(moment),
    byHostAt: optional(moment),
    unstatedSince: optional(moment),
    lookedAt: optional(moment),
  })
  .map((found) => Object.fromEntries(Object.entries(found).filter(([, at]) => at !== undefined)));

const isUnknown = ({ freshness }: ShownFreshness): boolean => freshness === 'unknown';
const show = (said: StatedFreshness, by: Confirmed, now: number) => shownFreshness(said, by, { now, limitMs: LIMIT });

describe('what is shown of freshness', () => {
  it('is what was stated, word for word, or unknown', () => {
    fc.assert(
      fc.property(stated, confirmed, moment, (said, by, now) => {
        const shown = show(said, by, now);
        if (isUnknown(shown)) return expect(Object.keys(shown).sort()).not.toContain('coveredBy');
        const { confirmedAt: _at, asOf: _look, ...rest } = shown;
        expect(rest).toEqual(said);
      }),
    );
  });

  it('says when it was confirmed, never later than all that it rests on, and not longer ago than the limit', () => {
    fc.assert(
      fc.property(stated, confirmed, moment, (said, by, now) => {
        const { freshness, confirmedAt, asOf } = show(said, by, now);
        const restsOn = [now, by.byLogAt, by.unstatedSince ?? now];
        if (freshness === 'fresh' || freshness === 'stale') restsOn.push(by.byHostAt);
        if (freshness !== 'unknown') {
          expect(confirmedAt).toBe(Math.min(...restsOn.map((at) => at ?? Number.NEGATIVE_INFINITY)));
          expect(now - confirmedAt!).toBeLessThanOrEqual(LIMIT);
        }
        if (freshness === 'fresh' && said.watched === false) {
          expect(asOf).toBe(Math.min(confirmedAt!, by.lookedAt!));
        } else {
          expect(asOf).toBeUndefined();
        }
      }),
    );
  });

  it('grows old to unknown while nobody says anything, and never back', () => {
    fc.assert(
      fc.property(stated, confirmed, moment, fc.nat(500_000), (said, by, now, laterMs) => {
        // An unstated project since before now stays one.
        const later = show(said, by, now + laterMs);
        if (isUnknown(show(said, by, now))) expect(isUnknown(later)).toBe(true);
        if (laterMs > LIMIT && Object.values(by).every((at) => at <= now)) expect(isUnknown(later)).toBe(true);
      }),
    );
  });

  it('is never better for an older confirmation, or one that lacks something', () => {
    const fields = ['byLogAt', 'byHostAt', 'lookedAt'] as const;
    fc.assert(
      fc.property(
        stated,
        confirmed,
        moment,
        fc.constantFrom(...fields),
        optional(fc.nat(300_000)),
        (said, by, now, field, olderMs) => {
          if (!isUnknown(show(said, by, now)) || by[field] === undefined) return;
          const { [field]: at = now, ...rest } = by;
          const worse = olderMs === undefined ? rest : { ...rest, [field]: at - olderMs };
          expect(isUnknown(show(said, worse, now))).toBe(true);
        },
      ),
    );
  });
});

describe('what has grown old says who is silent', () => {
  const fresh: StatedFreshness = { freshness: 'fresh', reason: 'A backup holds everything.', coveredBy: 'b1' };
  const NOW = 1_000_000;
  const lately = { byLogAt: NOW - 1_000, byHostAt: NOW - 5_000 };
  const longAgo = NOW - LIMIT - 1;
  it.each([
    ['nobody', lately, 'fresh', 'A backup holds everything.'],
    ['the scheduler', { ...lately, byLogAt: longAgo }, 'unknown', SCHEDULER_IS_SILENT],
    ['whoever is known to be', { byLogAt: longAgo, silence: 'NATS is away.' }, 'unknown', 'NATS is away.'],
    [
      'the scheduler, whose last word was of a host heard a moment before',
      { byLogAt: NOW - LIMIT + 1, byHostAt: longAgo },
      'unknown',
      SCHEDULER_IS_SILENT,
    ],
    [
      'its host',
      { ...lately, byHostAt: longAgo },
      'unknown',
      'Its host is silent, or not all that it tells has been heard yet.',
    ],
    [
      'nothing of it',
      { ...lately, unstatedSince: longAgo },
      'unknown',
      'The scheduler could not state yet how it is now.',
    ],
  ])('%s', (_, by, freshness, reason) => {
    expect(show(fresh, by, NOW)).toMatchObject({ freshness, reason });
  });

  it('but that there is no backup, or that the host is silent, holds without a word of the host', () => {
    for (const freshness of ['never', 'unknown'] as const) {
      const shown = show({ freshness, reason: 'Stated.' }, { byLogAt: NOW - 1_000 }, NOW);
      expect(shown).toEqual({ freshness, reason: 'Stated.', confirmedAt: NOW - 1_000 });
    }
  });
});
