import { DEFAULT_LIMITS, type OperationKind, type ReceivedIntent } from '@buckets/contracts';
import type { AttemptLimits } from './operation.js';

export type WorkIntent = Extract<ReceivedIntent, { kind: OperationKind }>;

/** What an operation that this host has taken up does at present. */
export type Doing = 'waiting-for-turn' | 'waiting-for-room' | 'waiting-for-retry' | 'running';

/** Somebody wants the operation to end. */
export class Cancelled extends Error {
  readonly code = 'cancelled';
  constructor() {
    super('The operation was cancelled.');
    this.name = 'Cancelled';
  }
}

/** An operation from the moment its intent was taken until there is nothing left to do for it here. */
export class OpenOperation {
  doing: Doing = 'waiting-for-turn';
  private readonly controller = new AbortController();

  constructor(
    readonly intent: WorkIntent,
    /** Of the intent, in the log. */
    readonly position: number,
  ) {}

  get id(): string {
    return this.intent.data.operationId;
  }

  /** Aborts when it is cancelled. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get isCancelled(): boolean {
    return this.controller.signal.aborted;
  }

  /** For the log of the process. */
  get about(): { projectId: string; operationId: string; kind: OperationKind } {
    const { projectId, kind } = this.intent;
    return { projectId, operationId: this.id, kind };
  }

  get limits(): AttemptLimits {
    const { stallSeconds, attemptSeconds } = this.intent.data.limits ?? DEFAULT_LIMITS[this.intent.kind];
    return { stallMs: stallSeconds * 1000, attemptMs: attemptSeconds * 1000 };
  }

  cancel(): void {
    this.controller.abort(new Cancelled());
  }
}
