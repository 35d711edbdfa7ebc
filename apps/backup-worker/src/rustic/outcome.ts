import type { BoundedList } from './bounded-list.js';
import { classify, failure, RusticFailure, type Circumstances, type Failure } from './failure.js';
import type { EndedProcess, StopReason } from '../processes/run-process.js';
import type { Transcript } from './transcript.js';

/** A run that is over, whatever it came to. */
export interface Ran {
  ended: EndedProcess;
  transcript: Transcript;
  about: Circumstances;
}

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

/** Warnings that tell of nothing lost, as of a cache that could not be written. */
export interface WithNotes {
  notes: BoundedList<string>;
}

/** Thrown by the calls that return a value, when we stopped the run. */
export class RusticStopped extends Error {
  constructor(readonly code: StopReason) {
    super(code === 'cancelled' ? 'The run was cancelled.' : `The run was ended: it had ${code}.`);
    this.name = 'RusticStopped';
  }
}

/** What every kind of run comes to before its own result is looked at: undefined when it ended well by its own word. */
export function stoppedOrFailed(ran: Ran): Stopped | Failed | undefined {
  const { stopped, leftBehind, exitCode } = ran.ended;
  if (stopped) return { outcome: stopped, leftBehind };
  return exitCode === 0 ? undefined : failed(ran);
}

export function failed({ ended, transcript, about }: Ran): Failed {
  const failureClass = classify(ended, transcript.errors.first, about);
  return { outcome: 'failed', ...failure(failureClass, transcript.errorTail, about.clockSkewMs) };
}

/**
 * For the commands that succeed or fail: any error is a failure, whatever the exit code.
 *
 * @throws RusticFailure, RusticStopped
 */
export function mustHaveSucceeded(ran: Ran): void {
  const cut = stoppedOrFailed(ran) ?? (ran.transcript.errors.total > 0 ? failed(ran) : undefined);
  if (cut?.outcome === 'failed') throw new RusticFailure(cut);
  if (cut) throw new RusticStopped(cut.outcome);
}
