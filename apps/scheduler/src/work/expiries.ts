import type { Commands, ExpiryCode } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Outcome } from '../due/pauses.js';
import type { WorkOfKind } from '../due/due-work.js';
import type { LimitsTables } from './limits-tables.js';
import { overdue, type HostsHeard } from './overdue.js';

type Command = Commands['expire-operation']['command'];

export interface ExpiriesParts {
  /** Asks the control plane to end an operation. */
  expire: (command: Command) => Promise<unknown>;
  tables: Pick<LimitsTables, 'open'>;
  hosts: HostsHeard;
  cancelLimitMs: number;
  log: Pick<Logger, 'info'>;
  /** Called with how each command ended, for the metrics. */
  ended?: (code: ExpiryCode, outcome: 'ended' | Exclude<Outcome, 'requested'>) => void;
}

/** Of one host at once, so that many of one keep no other's waiting. */
const PER_HOST = 50;

/** Each operation ended whose time is up, and each whose cancel was left unanswered. */
export function expiries({ expire, tables, hosts, cancelLimitMs, log, ended }: ExpiriesParts): WorkOfKind[] {
  const common: Omit<WorkOfKind, 'kind' | 'afterMs'> = {
    perLane: PER_HOST,
    counts: [],
    carryOut: async ({ subject: operationId }, now) => {
      const open = await tables.open(operationId);
      const command = open === null ? null : overdue(now, open, { hosts, cancelLimitMs });
      if (command === null) return 'not-yet';
      const { projectId, code } = command;
      try {
        await expire(command);
      } catch (error) {
        ended?.(code, error instanceof Refused && !error.refusal.retry ? 'refused' : 'failed');
        throw error;
      }
      log.info({ operationId, projectId, code }, 'The time of an operation was up');
      ended?.(code, 'ended');
      return 'requested';
    },
    failed: 'An operation whose time is up could not be ended',
  };
  return [
    { ...common, kind: 'limit', afterMs: 0 },
    { ...common, kind: 'cancel', afterMs: cancelLimitMs },
  ];
}
