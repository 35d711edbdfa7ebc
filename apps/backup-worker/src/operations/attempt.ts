import type { OperationKind } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { ControlPlane } from '../control-plane/control-plane.js';
import type { Turn } from '../queue/project-queue.js';
import { AttemptWatch } from './attempt-watch.js';
import { asFailure } from './failures.js';
import type { OpenOperation } from './open-operation.js';
import { AttemptFailed, type Attempt, type Granted } from './operation.js';
import { tellWaiting, ToldProgress } from './told-progress.js';

export interface MadeAttempt extends Disposable {
  attempt: Attempt;
  /** Why the attempt has failed, given what it threw: a limit that was reached is the reason for all that follows. */
  failureOf: (error: unknown) => AttemptFailed;
}

/** An attempt whose limits are seen to. To be disposed of when it has ended. */
export function makeAttempt(
  operation: OpenOperation,
  { attemptId, grant }: Granted,
  turn: Turn,
  controlPlane: Pick<ControlPlane, 'ask' | 'progress'>,
  { stopping, askDeadlineMs: deadlineMs = 60_000 }: { stopping: AbortSignal; askDeadlineMs?: number },
): MadeAttempt {
  const { projectId, kind, data } = operation.intent;
  const { operationId, generation } = data;
  const watch = new AttemptWatch(operation.limits);
  const told = new ToldProgress(controlPlane, operation, grant.attempt);
  const signalOfNoReturn = AbortSignal.any([watch.signal, stopping]);
  const signal = AbortSignal.any([operation.signal, signalOfNoReturn]);
  const attempt: Attempt<OperationKind> = {
    kind,
    projectId,
    intent: data,
    attemptId,
    grant,
    turn,
    limits: operation.limits,
    signal,
    signalOfNoReturn,
    alive: () => watch.alive(),
    progress: (progress) => {
      watch.alive();
      told.tell(progress);
    },
    wait: () => {
      const goOn = watch.wait();
      const waiting = tellWaiting(told);
      operation.doing = 'waiting-for-room';
      let over = false;
      return () => {
        if (over) return;
        over = true;
        waiting[Symbol.dispose]();
        goOn();
        operation.doing = 'running';
      };
    },
    confirm: async () => {
      const body = { projectId, generation, operationId, attemptId };
      await controlPlane.ask('confirm', body, { deadlineMs, signal }).catch((error: unknown) => {
        // The cancel itself is on its way, and may take its time.
        if (error instanceof Refused && error.code === 'cancel-requested') operation.cancel();
        throw error;
      });
      // A yes that came after the cancel is none.
      signal.throwIfAborted();
    },
  };
  return {
    attempt,
    failureOf: (error) => {
      const failure = asFailure(error);
      const { broken } = watch;
      if (broken === undefined || failure.options.halfDone) return failure;
      const { ending } = failure.options;
      return new AttemptFailed(broken.code, broken.message, { ...broken.options, ...(ending && { ending }) });
    },
    [Symbol.dispose]: () => {
      watch.close();
      told[Symbol.dispose]();
    },
  };
}
