import { beforeEach, describe, expect, it } from '@jest/globals';
import type { OperationRow } from '../tables/entities.js';
import { OperationFollower } from './operation-follower.js';

type Row = Pick<OperationRow, 'id' | 'state' | 'changed_position'>;

describe('whoever waits for the end of an operation', () => {
  let row: Row;
  let position: number;
  let waiters: Set<() => void>;
  let looks: number;
  let follower: OperationFollower;
  const untold = new AbortController().signal;

  beforeEach(() => {
    row = { id: 'op-1', state: 'running', changed_position: 5 };
    position = 5;
    waiters = new Set();
    looks = 0;
    const operations = {
      changedSince: (known: ReadonlyMap<string, number>) => {
        looks++;
        return Promise.resolve(known.get(row.id)! < row.changed_position ? [{ ...row } as OperationRow] : []);
      },
    };
    const projector = {
      get position() {
        return position;
      },
      reaches: (wanted: number, { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal }) =>
        new Promise<boolean>((resolve) => {
          const settle = () => {
            clearTimeout(timer);
            waiters.delete(settle);
            resolve(position >= wanted);
          };
          const timer = setTimeout(settle, deadlineMs);
          waiters.add(settle);
          signal?.addEventListener('abort', settle);
          if (position >= wanted || signal?.aborted) settle();
        }),
    };
    follower = new OperationFollower(operations, projector);
  });
  const now = () => ({ ...row }) as OperationRow;
  const advance = (changes: Partial<Row>) => {
    position++;
    row = { ...row, ...changes, changed_position: position };
    for (const wake of [...waiters]) wake();
  };

  it('is answered at once when it has ended', async () => {
    row.state = 'failed';
    expect(await follower.ending(now(), { withinMs: 60_000, signal: untold })).toEqual(row);
    expect(looks).toBe(0);
  });

  it('is answered when it ends, not when it merely changes', async () => {
    const ending = follower.ending(now(), { withinMs: 60_000, signal: untold });
    advance({ state: 'running' });
    advance({ state: 'partial' });
    expect(await ending).toMatchObject({ state: 'partial', changed_position: 7 });
  });

  it('is answered with what there is when the time is up', async () => {
    const ending = follower.ending(now(), { withinMs: 100, signal: untold });
    advance({ state: 'running' });
    expect(await ending).toMatchObject({ state: 'running' });
  });

  it('misses nothing when somebody else joins who knows more of it already', async () => {
    const first = follower.ending(now(), { withinMs: 60_000, signal: untold });
    row = { ...row, state: 'failed', changed_position: 6 };
    const over = new AbortController();
    const second = follower.ending({ ...now(), state: 'running' }, { withinMs: 60_000, signal: over.signal });
    expect(await first).toMatchObject({ state: 'failed' });
    over.abort();
    await second;
  });

  it('is answered when nobody listens any more, or the service stops', async () => {
    const over = new AbortController();
    const ending = follower.ending(now(), { withinMs: 60_000, signal: over.signal });
    over.abort();
    expect(await ending).toMatchObject({ state: 'running' });
  });

  it('is one of a thousand at most', async () => {
    const over = new AbortController();
    const all = Array.from({ length: 1_000 }, () => follower.ending(now(), { withinMs: 60_000, signal: over.signal }));
    await expect(follower.ending(now(), { withinMs: 1, signal: untold })).rejects.toMatchObject({
      code: 'too-many-followed',
      status: 503,
    });
    over.abort();
    await Promise.all(all);
    row.state = 'succeeded';
    expect(await follower.ending(now(), { withinMs: 60_000, signal: untold })).toMatchObject({ state: 'succeeded' });
  });
});
