import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Progress } from '@buckets/contracts';
import type { Attempt } from './operation.js';
import { rusticProgress } from './rustic-progress.js';

type Said = Parameters<ReturnType<typeof rusticProgress>>[0];

function told(said: readonly Said[]): Omit<Progress, 'at' | 'attempt'>[] {
  const progress: Omit<Progress, 'at' | 'attempt'>[] = [];
  const attempt = { progress: (each: Omit<Progress, 'at' | 'attempt'>) => void progress.push(each) };
  const hear = rusticProgress(attempt as unknown as Attempt);
  for (const each of said) hear(each);
  return progress;
}

const reading = (bytesDone: number, secondsRemaining?: number): Said =>
  ({
    phase: 'uploading',
    bytesDone,
    bytesTotal: 100,
    ...(secondsRemaining !== undefined && { secondsRemaining }),
  }) as unknown as Said;

it('tells no time remaining where none is known: rustic says 0 until it knows', () => {
  const times = told([reading(0, 0), reading(4, 0), reading(5), reading(10, 90), reading(11, 0), reading(100, 0)]);
  expect(times.map(({ secondsRemaining }) => secondsRemaining)).toEqual([
    undefined,
    undefined,
    undefined,
    90,
    undefined,
    0,
  ]);
});

it('never tells that more time remains than it told before in the same phase, nor none before the end', () => {
  const phases = fc.constantFrom('scanning', 'restoring', 'uploading');
  const said = fc.record({
    phase: phases,
    bytesDone: fc.nat(100),
    bytesTotal: fc.option(fc.constant(100), { nil: undefined }),
    secondsRemaining: fc.option(fc.double({ min: 0, max: 1_000, noNaN: true }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(said, { maxLength: 30 }), (all) => {
      const progress = told(all as unknown as Said[]);
      let before: { phase: string; seconds: number } | undefined;
      for (const { phase, bytesDone, bytesTotal, secondsRemaining } of progress) {
        if (before !== undefined && before.phase !== phase) before = undefined;
        if (secondsRemaining === undefined) continue;
        expect(secondsRemaining).toBeLessThanOrEqual(before?.seconds ?? Infinity);
        const isDone = bytesTotal !== undefined && bytesDone >= bytesTotal;
        if (secondsRemaining === 0 && before?.seconds !== 0) expect(isDone).toBe(true);
        before = { phase, seconds: secondsRemaining };
      }
    }),
  );
});
