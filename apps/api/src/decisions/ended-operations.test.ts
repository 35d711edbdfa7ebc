import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NewEvent } from '@buckets/contracts';
import { Registry } from 'prom-client';
import { event, logged, READY, recordedEvent, requestedEvent } from '../state/testing/given.js';
import { EndedOperations } from './ended-operations.js';

describe('the count of operations that have ended', () => {
  let registry: Registry;
  let ended: EndedOperations;
  const count = (...events: NewEvent<'project'>[]) => ended.count(logged(events));
  const counted = async () => {
    const [metric] = await registry.getMetricsAsJSON();
    return metric!.values.map(({ labels, value }) => [...Object.values(labels), value]);
  };

  beforeEach(() => {
    registry = new Registry();
    ended = new EndedOperations(registry);
  });

  it('names the kind, the outcome, and the class of a failure', async () => {
    count(
      ...READY,
      requestedEvent('op-1', 'backup'),
      recordedEvent(1),
      event('backup-cancel-requested', { operationId: 'op-1', requestedBy: 'admin' }),
      event('backup-failed', { operationId: 'op-1', code: 'storage-unreachable', reason: 'r' }),
      event('backup-failed', { operationId: 'op-2', code: 'storage-unreachable', reason: 'r' }),
      event('restore-expired', { operationId: 'op-3', code: 'whole-limit' }),
    );
    expect(await counted()).toEqual([
      ['provision', 'succeeded', '', 1],
      ['backup', 'failed', 'storage-unreachable', 2],
      ['restore', 'expired', 'whole-limit', 1],
    ]);
  });

  it('has no label for what looks like no code, nor for more than a hundred', async () => {
    const failed = (code: string) => count(event('stop-failed', { operationId: 'op-1', code }));
    failed('What is this?');
    for (let i = 0; i < 200; i++) failed(`code-${i}`);
    failed('code-7');
    const values = await counted();
    expect(values).toHaveLength(101);
    expect(values).toContainEqual(['stop', 'failed', 'other', 101]);
    expect(values).toContainEqual(['stop', 'failed', 'code-7', 2]);
  });
});
