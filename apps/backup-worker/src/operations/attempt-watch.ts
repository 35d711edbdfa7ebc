import { AttemptFailed, type AttemptLimits } from './operation.js';

/** Looks are this far apart at most, in milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/** Sees to the limits of one attempt, and aborts it when one is reached. Close it when the attempt has ended. */
export class AttemptWatch {
  private readonly controller = new AbortController();
  private readonly pauseMs: number;
  private readonly timer: NodeJS.Timeout;
  private lastLook = performance.now();
  private spentMs = 0;
  private idleMs = 0;
  private waits = 0;

  constructor(private readonly limits: AttemptLimits) {
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(10, limits.stallMs / 10));
    this.timer = setInterval(() => this.look(), this.pauseMs);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Which limit was reached. */
  get broken(): AttemptFailed | undefined {
    return this.controller.signal.reason as AttemptFailed | undefined;
  }

  alive(): void {
    this.idleMs = 0;
  }

  /** Nothing counts until the returned function is called, once. */
  wait(): () => void {
    this.look();
    this.waits += 1;
    return () => {
      this.look();
      this.waits -= 1;
      this.alive();
    };
  }

  close(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const now = performance.now();
    const passed = now - this.lastLook;
    this.lastLook = now;
    if (this.waits > 0 || this.controller.signal.aborted) return;
    this.spentMs += passed;
    // While this very process stood still, it saw no sign of work because it could not look.
    this.idleMs += Math.min(passed, 2 * this.pauseMs);
    if (this.spentMs >= this.limits.attemptMs) this.controller.abort(tookTooLong(this.limits.attemptMs));
    else if (this.idleMs >= this.limits.stallMs) this.controller.abort(stalled(this.limits.stallMs));
  }
}

function tookTooLong(attemptMs: number): AttemptFailed {
  const message = `The attempt took longer than ${attemptMs / 1000} s. Ask with a longer limit if it needs more.`;
  return new AttemptFailed('attempt-limit', message, { retry: true });
}

export function stalled(stallMs: number): AttemptFailed {
  const message =
    `The attempt showed no sign of work for ${stallMs / 1000} s. Look at the host, its disk and its way to the ` +
    'object storage, or ask with a longer limit.';
  return new AttemptFailed('stalled', message, { retry: true });
}
