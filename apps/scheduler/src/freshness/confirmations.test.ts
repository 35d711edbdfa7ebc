import { describe, expect, it } from '@jest/globals';
import { MAX_UNSTATED, NO_HOST, type NewConfirmation } from '@buckets/contracts';
import fc from 'fast-check';
import { Confirmations, confirmationsAt, type Known, type Waiting } from './confirmations.js';

const NOW = 1_000_000;
const NOTHING: Waiting = { byLog: Infinity, byHosts: new Map() };
const known = (more: Partial<Known> = {}): Known => ({
  log: { at: NOW - 1_000, position: 70 },
  waiting: NOTHING,
  unstated: [],
  hosts: [{ hostId: 'eu-1', completeAt: NOW - 3_000 }],
  looks: [],
  ...more,
});
const told = (more: Partial<Known> = {}) =>
  new Map(confirmationsAt(known(more), NOW).map(({ hostId, data }) => [hostId, data]));

describe('a confirmation', () => {
  it('of a host holds until its last complete sign of life, and that of the log until that was read', () => {
    expect(Object.fromEntries(told())).toEqual({
      [NO_HOST]: { position: 70, agoMs: 1_000, unstated: [] },
      'eu-1': { position: 70, agoMs: 3_000, unstated: [] },
    });
    expect(told({ log: { at: NOW - 9_000, position: 70 } }).get('eu-1')?.agoMs).toBe(9_000);
  });

  it('holds no later than something may have happened that nobody has looked at yet', () => {
    const hosts = ['eu-1', 'us-1'].map((hostId) => ({ hostId, completeAt: NOW - 3_000 }));
    const agesOf = (waiting: Waiting) => [...told({ waiting, hosts }).values()].map(({ agoMs }) => agoMs);
    expect(agesOf({ ...NOTHING, byLog: NOW - 20_000 })).toEqual([20_000, 20_000, 20_000]);
    // What one host tells, or how much, keeps no other from being confirmed.
    expect(agesOf({ ...NOTHING, byHosts: new Map([['us-1', NOW - 20_000]]) })).toEqual([1_000, 3_000, 20_000]);
    expect(agesOf({ ...NOTHING, byHosts: new Map([['us-1', -Infinity]]) })).toEqual([1_000, 3_000]);
  });

  it('is not made before each project was looked at, nor for a host whose reports may be missing', () => {
    expect(told({ waiting: { ...NOTHING, byLog: -Infinity } }).size).toBe(0);
    expect([...told({ hosts: [{ hostId: 'eu-1', completeAt: undefined }] }).keys()]).toEqual([NO_HOST]);
  });

  it('leaves out by name what is not stated yet, of that host alone', () => {
    const unstated = [
      { projectId: 'stuck', hostId: 'eu-1', since: NOW - 50_000 },
      { projectId: 'just-now', hostId: 'eu-1', since: NOW - 10 },
    ];
    const hosts = ['eu-1', 'us-1'].map((hostId) => ({ hostId, completeAt: NOW - 3_000 }));
    const all = told({ unstated, hosts });
    expect(all.get('eu-1')).toMatchObject({ agoMs: 3_000, unstated: [{ projectId: 'stuck', ms: 50_000 }] });
    expect(all.get('us-1')).toMatchObject({ agoMs: 3_000, unstated: [] });
  });

  it('says of what nobody knows since when only that it is not stated', () => {
    const unstated = [{ projectId: 'stuck', hostId: 'eu-1', since: -Infinity }];
    expect(told({ unstated }).get('eu-1')?.unstated).toEqual([{ projectId: 'stuck' }]);
  });

  it('names so many at most: what is not named has not been open for longer than it says', () => {
    const unstated = Array.from({ length: MAX_UNSTATED + 50 }, (_, index) => ({
      projectId: `p-${index}`,
      hostId: 'eu-1',
      since: NOW - 10_000 - index,
    }));
    const { agoMs, unstated: named } = told({ unstated }).get('eu-1')!;
    expect(named).toHaveLength(MAX_UNSTATED);
    const names = new Set(named.map(({ projectId }) => projectId));
    const rest = unstated.filter(({ projectId }) => !names.has(projectId));
    expect(agoMs).toBe(Math.max(...rest.map(({ since }) => NOW - since)));
  });

  it('says when the oldest of the looks began at what nobody watches', () => {
    const looks = [NOW - 40_000, NOW - 90_000].map((at) => ({ hostId: 'eu-1', at }));
    expect(told({ looks }).get('eu-1')?.lookedMs).toBe(90_000);
    expect(told().get('eu-1')).not.toHaveProperty('lookedMs');
  });

  it('never claims more than is known', () => {
    const since = fc.integer({ min: NOW - 100_000, max: NOW });
    const host = fc.constantFrom('eu-1', 'us-1');
    const open = fc.record({ projectId: fc.constantFrom('a', 'b', 'c'), hostId: host, since });
    fc.assert(
      fc.property(since, since, since, fc.array(open, { maxLength: 3 }), (logAt, byLog, completeAt, unstated) => {
        const hosts = [{ hostId: 'eu-1', completeAt }];
        for (const { hostId, data } of confirmationsAt(
          known({ log: { at: logAt, position: 1 }, waiting: { byLog, byHosts: new Map() }, hosts, unstated }),
          NOW,
        )) {
          const asOf = NOW - data.agoMs;
          expect(asOf).toBeLessThanOrEqual(Math.min(logAt, byLog, hostId === NO_HOST ? NOW : completeAt));
          for (const each of unstated.filter((one) => one.hostId === hostId && one.since < asOf)) {
            expect(
              data.unstated.some(({ projectId, ms }) => projectId === each.projectId && NOW - ms! <= each.since),
            ).toBe(true);
          }
        }
      }),
    );
  });
});

describe('confirming', () => {
  const signal = new AbortController().signal;
  const sentBy = (parts: { end?: () => Promise<number>; follows?: boolean }) => {
    const sent: NewConfirmation[] = [];
    const state = { now: NOW, completeAt: NOW, unstated: [] as Known['unstated'], follows: parts.follows ?? true };
    const confirmations = new Confirmations({
      endOfLog: parts.end ?? (() => Promise.resolve(70)),
      follows: () => Promise.resolve(state.follows),
      known: () => ({
        position: 75,
        waiting: NOTHING,
        unstated: state.unstated,
        hosts: [{ hostId: 'eu-1', completeAt: state.completeAt }],
        looks: [],
      }),
      send: (confirmation) => void sent.push(confirmation),
      clock: { now: () => state.now },
      log: { warn: () => undefined },
      everyMs: 1,
    });
    return { sent, state, confirmations };
  };

  it('says nothing of a host anew while nothing new is certain', async () => {
    const { sent, state, confirmations } = sentBy({});
    await confirmations.tick(signal);
    state.now += 2_000;
    await confirmations.tick(signal);
    expect(sent.map(({ hostId }) => hostId)).toEqual([NO_HOST, 'eu-1', NO_HOST]);
    expect(sent[0]!.data.position).toBe(75);
    state.unstated = [{ projectId: 'stuck', hostId: 'eu-1', since: NOW - 5_000 }];
    await confirmations.tick(signal);
    state.unstated = [];
    await confirmations.tick(signal);
    expect(sent.filter(({ hostId }) => hostId === 'eu-1').map(({ data }) => data.unstated.length)).toEqual([0, 1, 0]);
  });

  it('says nothing anew while the tables do not get to the end of the log: what was said grows old', async () => {
    const { sent, state, confirmations } = sentBy({});
    await confirmations.tick(signal);
    state.follows = false;
    state.now += 60_000;
    state.completeAt = state.now;
    await confirmations.tick(signal);
    expect(sent.map(({ data }) => data.agoMs)).toEqual([0, 0]);
  });

  it('does not begin before they have got there once', async () => {
    const { sent, confirmations } = sentBy({ follows: false });
    await confirmations.tick(signal);
    expect(sent).toEqual([]);
  });
});
