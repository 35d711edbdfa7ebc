import type { BoundedList } from './bounded-list.js';
import { classify, failure, type Failure } from './failure.js';
import type { EndedProcess, StopReason } from './run-process.js';
import type { Transcript } from './transcript.js';

/** The run did not succeed, and we did not stop it. */
export interface Failed extends Failure {
  outcome: 'failed';
}

/** We stopped the run. */
export interface Stopped {
  outcome: StopReason;
  /** A backup that rustic reported in the moment in which it was stopped: nobody may rely on it. */
  snapshotId?: string;
  /** The process that did not end even when killed; `reapOrphans` of the next worker tries again. */
  leftBehind?: number;
}

/** A warning that tells of nothing lost, as a cache that could not be written. */
export interface WithNotes {
  notes: BoundedList<string>;
}

/** What every kind of run comes to before its own result is looked at: undefined when it ended well by its own word. */
export function stoppedOrFailed(
  ended: EndedProcess,
  transcript: Transcript,
  access: { temporary: boolean },
): Stopped | Failed | undefined {
  if (ended.stopped) return { outcome: ended.stopped, leftBehind: ended.leftBehind };
  return ended.exitCode === 0 ? undefined : failed(ended, transcript, access);
}

export function failed(ended: EndedProcess, transcript: Transcript, access: { temporary: boolean }): Failed {
  const { errors, errorTail } = transcript;
  return { outcome: 'failed', ...failure(classify(ended, errors.first, access), errorTail) };
}
