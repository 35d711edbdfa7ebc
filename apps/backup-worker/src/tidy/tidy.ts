import type { BackupsLookedFor, Orphan, Orphans } from '@buckets/contracts';
import type { Snapshot } from '@buckets/repository';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { cancelled, type Attempt, type Ending, type Work } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { unlessAborted } from '../operations/waiting.js';
import { operationOf, ProjectRepository } from '../repository/project-repository.js';
import type { Rustic } from '../rustic/index.js';

/** Of one ask, and of one removal. */
const AT_ONCE = 500;
const LISTED = 100;
const ASK_DEADLINE_MS = 60_000;

/**
 * Finds the snapshots in a project's repository that are none of its backups, such as of a backup whose claim came to
 * nothing, and removes those that this product has made and that nobody can be waiting for any more. Of backups that a
 * deletion may have removed it says which are there.
 */
export class TidyWork implements Work<'tidy'> {
  constructor(
    private readonly rustic: Rustic,
    private readonly controlPlane: ControlPlane,
    /** Whether an operation is in hand on this host, be it that others have ended it: it may be told of as a backup yet. */
    private readonly isOpen: (operationId: string) => boolean,
  ) {}

  readonly work = async (attempt: Attempt<'tidy'>): Promise<Ending> => {
    // There is nothing in a repository that was never made.
    if (attempt.grant.repository.configId === undefined) return endingOf([], new Set());
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const { orphans, due, lookedFor } = await this.look(attempt, repository);
    const removed = new Set<string>();
    for (const some of inPieces(attempt.intent.remove ? due : [])) {
      await attempt.confirm();
      const ids = some.map(({ id }) => id);
      await this.rustic.forget(repository.access, ids, rusticCall(attempt));
      for (const id of ids) removed.add(id);
    }
    return endingOf(orphans, removed, lookedFor);
  };

  readonly cutOff = (): Promise<Ending> =>
    Promise.resolve(cancelled('Snapshots that are no backups may be in the repository still. No backup was touched.'));

  /** What is no backup, the oldest first, and what of it may go. */
  private async look(attempt: Attempt<'tidy'>, repository: ProjectRepository) {
    const { projectId, intent, attemptId, signal, grant } = attempt;
    const { generation, operationId } = intent;
    attempt.progress({ phase: 'scanning', bytesDone: 0 });
    const opened = await unlessAborted(signal, repository.open());
    const all = await unlessAborted(signal, opened.snapshots());
    const unknown = new Set<string>();
    const open = new Set<string>();
    for (const backupIds of inPieces(all.map(({ id }) => id))) {
      const ask = { projectId, generation, operationId, attemptId, backupIds };
      const answer = await this.controlPlane.ask('unknown-backups', ask, { deadlineMs: ASK_DEADLINE_MS, signal });
      for (const id of answer.backupIds) unknown.add(id);
      for (const id of answer.openOperations) open.add(id);
      attempt.alive();
    }
    const orphans = all.filter(({ id }) => unknown.has(id)).toReversed();
    const mayEnd = (id: string) => open.has(id) || this.isOpen(id);
    const due = orphans.filter((snapshot) => isDue(snapshot, mayEnd, intent.graceSeconds));
    return { orphans, due, lookedFor: lookFor(grant.inDoubt ?? [], all) };
  }
}

/**
 * Whether nobody can be waiting for a snapshot any more. What this product has not made is a person's, who may have a
 * reason for it.
 *
 * @param mayEnd whether an operation may come to an end yet, and with it this snapshot become a backup
 */
export function isDue(
  snapshot: Pick<Snapshot, 'tags' | 'timeNs'>,
  mayEnd: (operationId: string) => boolean,
  graceSeconds: number,
): boolean {
  const madeBy = operationOf(snapshot);
  return madeBy !== undefined && !mayEnd(madeBy) && Date.now() - madeAt(snapshot) >= graceSeconds * 1000;
}

/** Which of these backups are among the snapshots of the repository; nothing when nobody is in doubt. */
export function lookFor(
  backupIds: readonly string[],
  snapshots: readonly Pick<Snapshot, 'id'>[],
): BackupsLookedFor | undefined {
  if (backupIds.length === 0) return undefined;
  const ids = new Set(snapshots.map(({ id }) => id));
  const { there = [], gone = [] } = Object.groupBy(backupIds, (id) => (ids.has(id) ? 'there' : 'gone'));
  return { there, gone };
}

function endingOf(snapshots: readonly Snapshot[], removed: ReadonlySet<string>, lookedFor?: BackupsLookedFor): Ending {
  const orphans: Orphans = {
    total: snapshots.length,
    removed: removed.size,
    first: snapshots.slice(0, LISTED).map((snapshot) => orphanOf(snapshot, removed)),
  };
  return { outcome: 'succeeded', result: { orphans, ...(lookedFor === undefined ? {} : { lookedFor }) } };
}

function orphanOf(snapshot: Snapshot, removed: ReadonlySet<string>): Orphan {
  const operationId = operationOf(snapshot);
  return {
    backupId: snapshot.id,
    at: new Date(madeAt(snapshot)).toISOString(),
    ...(operationId === undefined ? {} : { operationId }),
    removed: removed.has(snapshot.id),
  };
}

/** Milliseconds since 1970. */
function madeAt({ timeNs }: Pick<Snapshot, 'timeNs'>): number {
  return Number(timeNs / 1_000_000n);
}

function* inPieces<T>(list: readonly T[]): Generator<T[]> {
  for (let at = 0; at < list.length; at += AT_ONCE) yield list.slice(at, at + AT_ONCE);
}
