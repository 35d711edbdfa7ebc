import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { OperationKind, Progress } from '@buckets/contracts';
import { OpenOperation, type WorkIntent } from './open-operation.js';
import { tellWaiting, ToldProgress } from './told-progress.js';

describe('the progress of an attempt', () => {
  let told: Progress[];
  beforeEach(() => {
    told = [];
    jest.useFakeTimers();
  });
  afterEach(() => void jest.useRealTimers());

  const progressOf = (kind: OperationKind) => {
    const intent = { kind, projectId: 'p', data: { operationId: 'op' } } as WorkIntent;
    const listener = { progress: (_project: string, _id: string, progress: Progress) => void told.push(progress) };
    return new ToldProgress(listener, new OpenOperation(intent, 1), 3);
  };
  const bytes = () => told.map(({ bytesDone }) => bytesDone);

  it('is told at once, with its attempt', () => {
    using progress = progressOf('restore');
    for (const bytesDone of [1, 2, 3]) progress.tell({ phase: 'restoring', bytesDone });
    expect(told).toEqual([1, 2, 3].map((bytesDone) => expect.objectContaining({ attempt: 3, bytesDone })));
  });

  it('of a backup is told at once, then as it is every now and then', () => {
    using progress = progressOf('backup');
    for (const bytesDone of [1, 2, 3]) progress.tell({ phase: 'uploading', bytesDone });
    expect(bytes()).toEqual([1]);
    jest.runOnlyPendingTimers();
    expect(bytes()).toEqual([1, 3]);
    progress.tell({ phase: 'uploading', bytesDone: 4 });
    expect(bytes()).toEqual([1, 3]);
    jest.runOnlyPendingTimers();
    jest.runOnlyPendingTimers();
    expect(bytes()).toEqual([1, 3, 4]);
    progress.tell({ phase: 'finishing', bytesDone: 5 });
    expect(bytes()).toEqual([1, 3, 4, 5]);
  });

  it('is told no more once the attempt has ended', () => {
    const progress = progressOf('backup');
    for (const bytesDone of [1, 2]) progress.tell({ phase: 'uploading', bytesDone });
    progress[Symbol.dispose]();
    expect(jest.getTimerCount()).toBe(0);
    expect(bytes()).toEqual([1]);
  });

  it('is told over and over while it waits', () => {
    using progress = progressOf('backup');
    const waiting = tellWaiting(progress);
    for (const times of [1, 2, 3]) {
      expect(told).toHaveLength(times);
      jest.advanceTimersByTime(60_000);
    }
    waiting[Symbol.dispose]();
    jest.advanceTimersByTime(120_000);
    expect(told).toHaveLength(4);
  });
});
