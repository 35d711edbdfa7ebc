import { operationEvent, type LoggedEvent, type OperationEnded } from '@buckets/contracts';
import { BoundedLabels } from '@buckets/service';
import { Counter, type Registry } from 'prom-client';

/** Counts how operations end, with the class of the failure. Each is counted by the copy that has stated its end. */
export class EndedOperations {
  private readonly counter: Counter<'kind' | 'outcome' | 'code'>;
  /** Codes come from hosts. */
  private readonly codes = new BoundedLabels();

  constructor(registry: Registry) {
    this.counter = new Counter({
      name: 'buckets_operations_ended_total',
      help: 'Operations that have ended, by how, and by why where they did not succeed',
      labelNames: ['kind', 'outcome', 'code'],
      registers: [registry],
    });
  }

  count(events: readonly LoggedEvent[]): void {
    for (const { type, data } of events) {
      const operation = operationEvent(type);
      if (operation === null || !('operationId' in data)) continue;
      const { kind, step } = operation;
      if (step === 'requested' || step === 'began' || step === 'cancel-requested') continue;
      this.counter.inc({ kind, outcome: step, code: this.codes.of((data as OperationEnded).code ?? '') });
    }
  }
}
