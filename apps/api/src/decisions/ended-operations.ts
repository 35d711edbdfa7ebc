import { operationEvent, type LoggedEvent, type OperationEnded } from '@buckets/contracts';
import { Counter, type Registry } from 'prom-client';

/** Codes come from hosts: so many have a label of their own, in each process. */
const MAX_CODES = 100;

/** Counts how operations end, with the class of the failure. Each is counted by the copy that has stated its end. */
export class EndedOperations {
  private readonly counter: Counter<'kind' | 'outcome' | 'code'>;
  private readonly codes = new Set(['']);

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
      this.counter.inc({ kind, outcome: step, code: this.label((data as OperationEnded).code) });
    }
  }

  private label(code = ''): string {
    if (this.codes.has(code)) return code;
    if (this.codes.size > MAX_CODES || !/^[a-z][a-z0-9-]{0,62}$/.test(code)) return 'other';
    this.codes.add(code);
    return code;
  }
}
