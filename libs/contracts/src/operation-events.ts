import { OPERATION_KINDS, OUTCOMES, type OperationKind, type Outcome } from './vocabulary.js';

const STEPS = ['requested', 'began', 'cancel-requested', ...OUTCOMES] as const;

/** One step in the life of an operation. */
export interface OperationEvent {
  kind: OperationKind;
  step: (typeof STEPS)[number];
}

const OPERATION_EVENTS: ReadonlyMap<string, OperationEvent> = new Map(
  OPERATION_KINDS.flatMap((kind) => STEPS.map((step) => [`${kind}-${step}`, { kind, step }] as const)),
);

/** Which step of which kind of operation an event's type stands for, if any. */
export function operationEvent(type: string): OperationEvent | null {
  return OPERATION_EVENTS.get(type) ?? null;
}

/**
 * Whether a deletion that had begun may have deleted its backup, although it did not succeed. A host that says it was
 * cancelled has seen that the backup is there; one that is silent, or failed half-way, has not.
 */
export function leavesInDoubt(outcome: Outcome, code: string | undefined): boolean {
  return outcome !== 'succeeded' && (outcome !== 'cancelled' || code === 'cancel-unanswered');
}
