import type { Progress } from '@buckets/contracts';
import type { ControlPlane } from '../control-plane/control-plane.js';
import type { OpenOperation } from './open-operation.js';

/** What is told once is forgotten after five minutes. */
const TOLD_AGAIN_MS = 60_000;

type Listener = Pick<ControlPlane, 'progress'>;

export function tell(
  listener: Listener,
  { intent, id }: OpenOperation,
  attempt: number,
  progress: Omit<Progress, 'at' | 'attempt'>,
): void {
  listener.progress(intent.projectId, id, { ...progress, attempt, at: Date.now() });
}

/** Tells that the operation waits, now and over and over until it is disposed of. */
export function tellWaiting(listener: Listener, operation: OpenOperation, attempt: number): Disposable {
  const once = () => tell(listener, operation, attempt, { phase: 'waiting', bytesDone: 0 });
  once();
  const timer = setInterval(once, TOLD_AGAIN_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
