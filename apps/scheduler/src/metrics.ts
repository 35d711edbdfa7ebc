import type { ExpiryCode, FreshnessState } from '@buckets/contracts';
import { FRESHNESS_STATES } from '@buckets/contracts';
import type { Projector } from '@buckets/log';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { DueKind } from './when/due-moment.js';

/** What can be asked of a copy that leads. */
export interface Leading {
  projects: () => Promise<ReadonlyMap<FreshnessState, number>>;
  hosts: () => { heard: number; silent: number };
  clocksOff: () => number;
  waiting: () => number;
  /** How long ago all that was stated was certain. */
  unconfirmedMs: () => number;
  /** For how long the longest overdue work of each kind has been due. */
  overdueMs: () => Promise<ReadonlyMap<DueKind, number>>;
}

/** What the scheduler tells of itself. Projects and hosts are told of by the copy that leads. */
export class SchedulerMetrics {
  readonly statements: Counter<'outcome'>;
  readonly requests: Counter<'outcome'>;
  readonly tidyings: Counter<'outcome'>;
  readonly verifications: Counter<'outcome'>;
  readonly thinnings: Counter<'outcome'>;
  private readonly expired: Counter<'code' | 'outcome'>;
  private lead: Leading | undefined;

  constructor(registry: Registry, projector: Pick<Projector, 'position'>) {
    const registers = [registry];
    this.statements = new Counter({
      name: 'buckets_freshness_statements_total',
      help: 'Statements on the freshness of projects that were sent',
      labelNames: ['outcome'],
      registers,
    });
    this.requests = new Counter({
      name: 'buckets_schedule_requests_total',
      help: 'Backups that the schedule asked for',
      labelNames: ['outcome'],
      registers,
    });
    this.tidyings = new Counter({
      name: 'buckets_tidy_requests_total',
      help: 'Searches for orphans that were asked for',
      labelNames: ['outcome'],
      registers,
    });
    this.verifications = new Counter({
      name: 'buckets_verify_requests_total',
      help: 'Looks at repositories that were asked for',
      labelNames: ['outcome'],
      registers,
    });
    this.thinnings = new Counter({
      name: 'buckets_retention_requests_total',
      help: 'Deletions of backups that are no longer kept, as they were asked for',
      labelNames: ['outcome'],
      registers,
    });
    this.expired = new Counter({
      name: 'buckets_operations_expired_total',
      help: 'Operations whose time was up, by the limit, and by what became of having them ended',
      labelNames: ['code', 'outcome'],
      registers,
    });
    gauge(registers, 'buckets_scheduler_position', 'Position in the log that the tables have reached', (of) =>
      of.set(projector.position),
    );
    gauge(registers, 'buckets_scheduler_leads', 'Whether this copy is the one that works', (of) =>
      of.set(this.lead === undefined ? 0 : 1),
    );
    gauge(registers, 'buckets_scheduler_waiting', 'Projects to be looked at, and statements to be sent', (of) =>
      of.set(this.lead?.waiting() ?? 0),
    );
    gauge(
      registers,
      'buckets_freshness_unconfirmed_seconds',
      'How long ago all that is stated of freshness was certain, as far as it rests on the log; by the copy that leads',
      (of) => of.set((this.lead?.unconfirmedMs() ?? 0) / 1000),
    );
    gauge(registers, 'buckets_hosts', 'Hosts by whether they were heard within the silence limit', (of) => {
      const { heard, silent } = this.lead?.hosts() ?? { heard: 0, silent: 0 };
      of.set({ state: 'heard' }, heard);
      of.set({ state: 'silent' }, silent);
    });
    gauge(registers, 'buckets_hosts_clock_off', 'Hosts whose clock is off by 30 seconds or more', (of) =>
      of.set(this.lead?.clocksOff() ?? 0),
    );
    gauge(
      registers,
      'buckets_due_overdue_seconds',
      'For how long the longest overdue work has been due, by kind; by the copy that leads',
      async (of) => {
        of.reset();
        for (const [kind, ms] of (await this.lead?.overdueMs()) ?? []) of.set({ kind }, ms / 1000);
      },
    );
    gauge(registers, 'buckets_projects', 'Projects by the freshness that was stated last', async (of) => {
      const projects = await this.lead?.projects();
      for (const freshness of FRESHNESS_STATES) of.set({ freshness }, projects?.get(freshness) ?? 0);
    });
  }

  timeWasUp(code: ExpiryCode, outcome: 'ended' | 'refused' | 'failed'): void {
    this.expired.inc({ code, outcome });
  }

  leading(lead: Leading): void {
    this.lead = lead;
  }

  notLeading(): void {
    this.lead = undefined;
  }
}

function gauge(
  registers: Registry[],
  name: string,
  help: string,
  collect: (of: Gauge<'freshness' | 'state' | 'kind'>) => void | Promise<void>,
): void {
  const of: Gauge<'freshness' | 'state' | 'kind'> = new Gauge({
    name,
    help,
    labelNames: ['freshness', 'state', 'kind'],
    registers,
    collect: () => collect(of),
  });
}
