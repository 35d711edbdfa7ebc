import type { Operation } from '../running/api.js';
import type { Reply } from './caller.js';
import { PROJECTS, type Fault } from './plan.js';

/** An operation that was accepted. */
export interface Accepted {
  id: string;
  project: string;
  kind: string;
  /** The backup that it is about, if any. */
  backupId?: string;
}

/** What was asked for, what came of it, and what was not as it has to be. */
export class Ledger {
  readonly accepted: Accepted[] = [];
  /** What is wrong with the product, a sentence each. */
  readonly findings: string[] = [];
  /** Refusals by kind of request and code. */
  readonly refusals = new Map<string, number>();
  readonly unanswered: string[] = [];

  /** By host, the kinds of faults that it or a tenant of it has seen. */
  readonly #suffered = new Map<string, Set<Fault['fault']>>();

  constructor(private readonly say: (line: string) => void) {}

  /** A fault begins. */
  suffers(fault: Fault): void {
    const { hostId } = fault.fault === 'tenant' ? PROJECTS.find(({ id }) => id === fault.project)! : hostIn(fault);
    if (hostId === undefined) return;
    this.#suffered.set(hostId, this.suffered(hostId).add(fault.fault));
  }

  /** Kinds of faults that a host has seen, and that explain more than others do. */
  suffered(hostId: string): Set<Fault['fault']> {
    return this.#suffered.get(hostId) ?? new Set();
  }

  /** Something that must not be. */
  found(finding: string): void {
    this.findings.push(finding);
    this.say(`NOT AS IT HAS TO BE: ${finding}`);
  }

  /** Keeps what a request has come to. @returns the operation, if one was accepted */
  note(project: string, kind: string, reply: Reply, backupId?: string): Accepted | undefined {
    if ('accepted' in reply) {
      const accepted = { id: reply.accepted.id, project, kind, ...(backupId === undefined ? {} : { backupId }) };
      this.accepted.push(accepted);
      return accepted;
    }
    if ('unanswered' in reply) {
      this.unanswered.push(`${kind} of ${project}: ${reply.unanswered}`);
      return undefined;
    }
    const what = `${kind}: ${reply.refused.code}`;
    this.refusals.set(what, (this.refusals.get(what) ?? 0) + 1);
    if (!EXPECTED_REFUSALS.has(reply.refused.code)) {
      this.found(`${kind} of ${project} was refused for no good reason: ${JSON.stringify(reply.refused)}`);
    }
    return undefined;
  }
}

/** What a caller may be told whose requests cross each other. */
const EXPECTED_REFUSALS = new Set([
  'project-is-running',
  'project-is-being-restored',
  'newer-backups-are-flagged',
  'backup-being-deleted',
  'backup-in-use',
  'last-good-backup',
  'backup-not-found',
  'operation-ended',
  'no-repository',
]);

function hostIn(fault: Fault): { hostId?: string } {
  return 'hostId' in fault ? fault : {};
}

/** Classes of failures that one of the faults explains. */
const EXPLAINED = new Set([
  // The storage is away, cut off, or says 503; rustic is killed.
  ...['unreachable', 'throttled', 'failing'].map((of) => `rustic-storage-${of}`),
  ...['killed', 'interrupted', 'crashed', 'stalled', 'timeout', 'disk-full', 'unknown', 'out-of-memory'].flatMap(
    (of) => [of, `rustic-${of}`],
  ),
  ...['object-storage-unreachable', 'object-storage-failed'],
  // The disk is full.
  ...['not-enough-space', 'disk-full'],
  // NATS is away, or the API with all its copies.
  ...['unanswered', 'dependency-unavailable'],
  // Time is up.
  ...['stall-limit', 'attempt-limit', 'queue-limit', 'whole-limit', 'cancel-unanswered', 'cancelled', 'expired'],
]);

/** Classes that are explained by a fault of this kind alone, on a host that has seen one. */
const EXPLAINED_BY: Partial<Record<Fault['fault'], { partial?: readonly string[]; failed?: readonly string[] }>> = {
  // A file that was a link, or not there, when it was to be read: which ones is looked at.
  tenant: { partial: ['unreadable-files'] },
  // S3 refuses what is signed a day early or late.
  'wrong-clock': { failed: ['clock-skewed', 'rustic-clock-skewed'] },
  // Nothing is there, or something else than before.
  'data-root-away': { failed: ['data-root-missing'] },
};

/**
 * Whether an operation may have ended so: where it did not succeed, for a reason that a fault explains.
 *
 * @param suffered what its host has seen; default nothing that explains more than others do
 */
export function isExplained(
  { state, code = '' }: Operation,
  suffered: ReadonlySet<Fault['fault']> = new Set(),
): boolean {
  if (state === 'succeeded' || state === 'cancelled' || state === 'expired') return true;
  const by = (outcome: 'partial' | 'failed') => [...suffered].flatMap((kind) => EXPLAINED_BY[kind]?.[outcome] ?? []);
  if (state === 'partial') return ['unwitnessed', 'shrunken', ...by('partial')].includes(code);
  return EXPLAINED.has(code) || by('failed').includes(code);
}
