import { momentAt, operationOf, type BackupsLookedFor, type Orphan, type Orphans, countText } from '@buckets/contracts';
import type { Snapshot } from '@buckets/repository';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { cancelled, type Attempt, type Ending, type Work } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { unlessAborted } from '../operations/waiting.js';
import { ProjectRepository } from '../repository/project-repository.js';
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
    if (attempt.grant.repository.configId === undefined) return endingOf(NOTHING, new Set());
    await using repository = new ProjectRepository(attempt.grant, this.rustic);
    const found = await this.look(attempt, repository);
    const removed = new Set<string>();
    for (const some of inPieces(attempt.intent.remove ? found.due : [])) {
      await attempt.confirm();
      const ids = some.map(({ id }) => id);
      await this.rustic.forget(repository.access, ids, rusticCall(attempt));
      for (const id of ids) removed.add(id);
    }
    return endingOf(found, removed);
  };

  readonly cutOff = (): Promise<Ending> =>
    Promise.resolve(cancelled('Snapshots that are no backups may be in the repository still. No backup was touched.'));

  private async look(attempt: Attempt<'tidy'>, repository: ProjectRepository): Promise<Found> {
    const { projectId, intent, attemptId, signal, grant } = attempt;
    const { generation, operationId } = intent;
    attempt.progress({ phase: 'scanning', bytesDone: 0 });
    const opened = await unlessAborted(signal, repository.open());
    const all = await unlessAborted(signal, opened.snapshots());
    const [unknown, open, ended] = [new Set<string>(), new Set<string>(), new Set<string>()];
    for (const some of inPieces(all)) {
      const backupIds = some.map(({ id }) => id);
      const operationIds = [...new Set(some.flatMap((snapshot) => operationOf(snapshot) ?? []))];
      const ask = { projectId, generation, operationId, attemptId, backupIds, operationIds };
      const answer = await this.controlPlane.ask('unknown-backups', ask, { deadlineMs: ASK_DEADLINE_MS, signal });
      for (const id of answer.backupIds) unknown.add(id);
      for (const id of answer.openOperations) open.add(id);
      for (const id of answer.endedOperations ?? []) ended.add(id);
      attempt.alive();
    }
    const about = { isInHand: this.isOpen, graceSeconds: intent.graceSeconds, now: Date.now() };
    const sorted = sortOut(all, { unknown, open, ended }, about);
    const lookedFor = lookFor(grant.inDoubt ?? [], all);
    return { ...sorted, ...(lookedFor === undefined ? {} : { lookedFor }) };
  }
}

/** What the control plane has said of a repository's snapshots. */
export interface Word {
  /** Snapshots that are no backups as far as it knows. */
  unknown: ReadonlySet<string>;
  /** The project's operations that have not ended. */
  open: ReadonlySet<string>;
  /** Operations that have made some of these snapshots, of which it knows how they ended. */
  ended: ReadonlySet<string>;
}

export interface SortedOut {
  /** What is no backup, the oldest first. */
  orphans: Snapshot[];
  /** What of it may go. */
  due: Snapshot[];
  /** What names an operation as its maker that the control plane does not know. */
  unexplained: Snapshot[];
}

interface Found extends SortedOut {
  lookedFor?: BackupsLookedFor;
}

const NOTHING: Found = { orphans: [], due: [], unexplained: [] };

/**
 * Which snapshots are no backups, and which of them nobody can be waiting for any more: those of an operation of which
 * the log knows that it has ended, when their grace period is over. One that calls itself a backup of an operation that
 * the log does not know may be the only copy of somebody's data, as after the loss of the log: it stays, and is told.
 * What this product has not made is a person's, who may have a reason for it.
 *
 * @param snapshots the newest first
 */
export function sortOut<S extends Pick<Snapshot, 'id' | 'tags' | 'timeNs'> & Partial<Snapshot>>(
  snapshots: readonly S[],
  { unknown, open, ended }: Word,
  { isInHand, graceSeconds, now }: Waiting,
): Record<keyof SortedOut, S[]> {
  const orphans = snapshots.filter(({ id }) => unknown.has(id)).toReversed();
  const madeByProduct = orphans.flatMap((snapshot) => {
    const maker = operationOf(snapshot);
    return maker === undefined || open.has(maker) || isInHand(maker) ? [] : { snapshot, isKnown: ended.has(maker) };
  });
  const isOld = (snapshot: S): boolean => now - madeAt(snapshot) >= graceSeconds * 1000;
  return {
    orphans,
    due: madeByProduct.filter(({ snapshot, isKnown }) => isKnown && isOld(snapshot)).map(({ snapshot }) => snapshot),
    unexplained: madeByProduct.filter(({ isKnown }) => !isKnown).map(({ snapshot }) => snapshot),
  };
}

interface Waiting {
  /** Whether an operation is under way on this host: it may be told of as a backup yet. */
  isInHand: (operationId: string) => boolean;
  graceSeconds: number;
  /** Milliseconds since 1970. */
  now: number;
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

function endingOf({ orphans: snapshots, unexplained, lookedFor }: Found, removed: ReadonlySet<string>): Ending {
  const orphans: Orphans = {
    total: snapshots.length,
    removed: removed.size,
    first: snapshots.slice(0, LISTED).map((snapshot) => orphanOf(snapshot, removed)),
    ...(unexplained.length === 0 ? {} : { unexplained: unexplained.length }),
  };
  const result = { orphans, ...(lookedFor === undefined ? {} : { lookedFor }) };
  if (unexplained.length === 0) return { outcome: 'succeeded', result };
  return { outcome: 'partial', code: 'unexplained-backups', reason: whyUnexplained(unexplained.length), result };
}

function whyUnexplained(snapshots: number): string {
  return (
    `The log does not know how the operations ended that made ${countText(snapshots, 'snapshot')}, as after a loss of the ` +
    'log, or where a host was given up. What calls itself a backup stays. To have it known as one: npm run ' +
    'recover-from-buckets.'
  );
}

/** Whatever a snapshot says of its time, it can be told. */
export function orphanOf(
  snapshot: Pick<Snapshot, 'id' | 'tags' | 'timeNs'> & Partial<Snapshot>,
  removed: ReadonlySet<string>,
): Orphan {
  const operationId = operationOf(snapshot);
  return {
    backupId: snapshot.id,
    at: momentAt(madeAt(snapshot)),
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
