import type {
  BackupRecord,
  Grant,
  Intents,
  OperationKind,
  OperationResult,
  Outcome,
  Progress,
  ProjectProvisioned,
} from '@buckets/contracts';
import type { Turn } from '../queue/project-queue.js';

/** What one attempt may take, in milliseconds; what it waits for does not count. */
export interface AttemptLimits {
  /** Without any sign of work. */
  stallMs: number;
  attemptMs: number;
}

/** An attempt that the control plane knows of. */
export interface Granted {
  attemptId: string;
  grant: Grant;
}

/** One attempt at an operation, granted by the control plane. */
export interface Attempt<K extends OperationKind = OperationKind> {
  kind: K;
  projectId: string;
  intent: Intents[K];
  attemptId: string;
  grant: Grant;
  turn: Turn;
  limits: AttemptLimits;
  /** Aborts when the attempt must end: cancelled, out of time, or the worker stops. */
  signal: AbortSignal;
  /** The same except for a cancel: for what must not be left half done once it has begun. */
  signalOfNoReturn: AbortSignal;
  /** Best effort; a sign of work, too. */
  progress: (progress: Omit<Progress, 'at' | 'attempt'>) => void;
  /** A sign of work. Costs nothing: call it as often as there is one. */
  alive: () => void;
  /** From now on the attempt waits for others: nothing counts towards its limits until the returned function is called. */
  wait: () => () => void;
  /**
   * Asks the control plane once more, right before a step that cannot be undone.
   *
   * @throws when it does not say yes in time: the attempt is given up
   */
  confirm: () => Promise<void>;
}

/** How an attempt has ended, as the host will claim it. */
export interface Ending {
  outcome: Exclude<Outcome, 'expired'>;
  code?: string;
  /** For people; may name files: it is sealed before it leaves the host. */
  reason?: string;
  result?: OperationResult;
  backup?: BackupRecord;
  provisioned?: ProjectProvisioned;
  running?: boolean;
  /** What is left behind, or left undone, a sentence each. They are not sealed: no names of files. */
  left?: string[];
}

/** An operation that was cancelled before it had come to an end of its own. Nothing of it runs any more. */
export interface CutOff<K extends OperationKind = OperationKind> {
  projectId: string;
  intent: Intents[K];
  grant: Grant;
  /** Aborts when the worker stops. */
  signal: AbortSignal;
}

export interface Work<K extends OperationKind> {
  /** Carries the operation out. What cannot be undone is finished, whatever the signal says, and told as what it is. */
  readonly work: (attempt: Attempt<K>) => Promise<Ending>;
  /**
   * Removes what a cancelled operation has left and need not stay, and tells what it came to: as a rule `cancelled`, and
   * what it became where it had passed the point of no return, such as before the worker died.
   */
  readonly cutOff: (operation: CutOff<K>) => Promise<Ending>;
}

/** What carries out each kind of operation. */
export type Works = { [K in OperationKind]: Work<K> };

export function cancelled(...left: string[]): Ending {
  return { outcome: 'cancelled', ...(left.length === 0 ? {} : { left }) };
}

/** An attempt has failed, and whether another may do better. */
export class AttemptFailed extends Error {
  constructor(
    /** Stable, for programs. */
    readonly code: string,
    message: string,
    readonly options: {
      retry: boolean;
      cause?: unknown;
      /** What is so all the same. */
      ending?: Partial<Ending>;
      /** Failed beyond the point of no return: no cancel and no limit explains it away. */
      halfDone?: boolean;
    } = { retry: false },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AttemptFailed';
  }
}
