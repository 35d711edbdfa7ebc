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

/** One attempt at an operation, granted by the control plane. */
export interface Attempt<K extends OperationKind = OperationKind> {
  kind: K;
  projectId: string;
  intent: Intents[K];
  attemptId: string;
  grant: Grant;
  turn: Turn;
  /** Aborts when the attempt must end: cancelled, or the worker stops. */
  signal: AbortSignal;
  progress: (progress: Omit<Progress, 'at' | 'attempt'>) => void;
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
}

export type Work<K extends OperationKind> = (attempt: Attempt<K>) => Promise<Ending>;

/** What carries out each kind of operation. */
export type Works = { [K in OperationKind]: Work<K> };

/** An attempt has failed, and whether another may do better. */
export class AttemptFailed extends Error {
  constructor(
    /** Stable, for programs. */
    readonly code: string,
    message: string,
    readonly options: { retry: boolean; cause?: unknown; ending?: Partial<Ending> } = { retry: false },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AttemptFailed';
  }
}
