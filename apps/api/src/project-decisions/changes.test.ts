import { describe, expect, it } from '@jest/globals';
import type { FreshnessChanged } from '@buckets/contracts';
import {
  AT,
  beganEvent,
  event,
  expectRejection,
  given,
  READY,
  requestedEvent,
  said,
  snapshot,
} from '../state/testing/given.js';
import { reportChange, stateFreshness } from './changes.js';

const change = { source: 'agent-edit', at: AT };

describe('a change reported from outside', () => {
  const changed = event('changed', change);
  const began = [requestedEvent('op-1', 'backup'), beganEvent('op-1', 'backup', 'at-1')];

  it('is a fact the first time, and again after each beginning of a backup', () => {
    expect(reportChange(given(...READY), 'p1', change).events).toEqual([changed]);
    expect(said(reportChange(given(...READY, changed), 'p1', change))).toEqual([]);
    expect(said(reportChange(given(...READY, changed, ...began), 'p1', change))).toEqual(['changed']);
    expect(said(reportChange(given(...READY, ...began, changed), 'p1', change))).toEqual([]);
  });

  it('counts on although other work began since', () => {
    const start = [requestedEvent('op-1', 'start'), beganEvent('op-1', 'start', 'at-1')];
    expect(said(reportChange(given(...READY, changed, ...start), 'p1', change))).toEqual([]);
  });

  it('needs a project', () => {
    expectRejection(() => reportChange(null, 'p1', change), 'project-not-found', 404);
  });
});

describe('a statement of freshness', () => {
  const stale: FreshnessChanged = { freshness: 'stale', staleSince: AT, reason: 'Changed.', coveredBy: snapshot(1) };
  const state = given(...READY, event('freshness-changed', stale));

  it('is a fact when it says something new', () => {
    expect(stateFreshness(given(...READY), 'p1', 2, stale).events).toEqual([event('freshness-changed', stale)]);
    const others: Partial<FreshnessChanged>[] = [
      { freshness: 'unknown' },
      { staleSince: '2031-01-01T00:00:00Z' },
      { staleSince: undefined },
      { reason: 'Other.' },
      { coveredBy: snapshot(2) },
    ];
    for (const other of others) {
      expect(said(stateFreshness(state, 'p1', 2, { ...stale, ...other }))).toEqual(['freshness-changed']);
    }
  });

  it('is nothing when it repeats the last one', () => {
    const counter = { generation: 2, epoch: 'e', n: 9 };
    expect(said(stateFreshness(state, 'p1', 2, { ...stale, counter }))).toEqual([]);
  });

  it('is refused for another generation, or no project', () => {
    expectRejection(() => stateFreshness(state, 'p1', 1, stale), 'generation-moved', 409);
    expectRejection(() => stateFreshness(null, 'p1', 2, stale), 'project-not-found', 404);
  });
});
