import { setTimeout as pause } from 'node:timers/promises';

/** A pause that an abort just ends. With `ref: false` it does not keep the process from ending. */
export async function quietPause(ms: number, signal?: AbortSignal, { ref = true } = {}): Promise<void> {
  await pause(ms, undefined, { ref, ...(signal === undefined ? {} : { signal }) }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}
