import { OPERATION_KINDS, type OperationKind } from '@buckets/contracts';
import { Counter, Gauge, type Registry } from 'prom-client';
import { FAILURES } from '../rustic/index.js';
import type { Doing } from './open-operation.js';
import type { Ending } from './operation.js';

/** The classes of failures that have a label of their own; whatever else comes up is `other`. */
const CLASSES: ReadonlySet<string> = new Set([
  ...Object.keys(FAILURES),
  'attempt-limit',
  'stalled',
  'host-error',
  'hook-failed',
  'snapshot-failed',
  'snapshot-not-configured',
  'project-is-running',
  'project-folder-missing',
  'data-lost',
  'newer-backups-are-flagged',
  'unrecorded-data',
  'unknown-layout',
  'backup-not-found',
  'snapshot-not-found',
  'not-enough-space',
  'restore-differs',
  'swap-not-confirmed',
  'switch-pending',
  'switch-stuck',
  'root-busy',
  'tool-failed',
  'damaged-record',
  'repository-mismatch',
  'repository-corrupt',
  'repository-unsupported',
  'repository-key-mismatch',
  'object-not-found',
  'bucket-not-found',
  'object-storage-refused',
  'object-storage-unreachable',
  'object-storage-failed',
  'unanswered',
  'operation-ended',
]);

/** What the worker tells of the operations in its hands. */
export class OperationMetrics {
  private readonly failures: Counter<'kind' | 'code'>;
  private readonly ended: Counter<'kind' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.failures = new Counter({
      name: 'buckets_attempt_failures_total',
      help: 'Attempts that failed, by the class of the failure',
      labelNames: ['kind', 'code'],
      registers,
    });
    this.ended = new Counter({
      name: 'buckets_attempts_ended_total',
      help: 'Attempts that have ended, failed ones that are tried again included',
      labelNames: ['kind', 'outcome'],
      registers,
    });
    for (const kind of OPERATION_KINDS) this.ended.inc({ kind, outcome: 'succeeded' }, 0);
  }

  /** Tells from now on what operations are doing. */
  watch(registry: Registry, doing: () => Record<Doing, number>): void {
    new Gauge({
      name: 'buckets_operations',
      help: 'Operations that the host has taken up, by what they do at present',
      labelNames: ['doing'],
      registers: [registry],
      collect() {
        for (const [what, count] of Object.entries(doing())) this.set({ doing: what }, count);
      },
    });
  }

  attemptFailed(kind: OperationKind, code: string): void {
    this.failures.inc({ kind, code: CLASSES.has(code) ? code : 'other' });
  }

  attemptEnded(kind: OperationKind, outcome: Ending['outcome']): void {
    this.ended.inc({ kind, outcome });
  }
}
