import { isId, type BackupRecorded, type ProjectRecovered, countText } from '@buckets/contracts';
import type { ObjectStore } from '@buckets/object-storage';
import {
  forEachInParallel,
  inParallel,
  openRepository,
  RepositoryError,
  RepositoryNotFound,
  SnapshotNotFound,
  type Repository,
} from '@buckets/repository';
import { Problem, type Logger } from '@buckets/service';
import { keyCopyOf, ProjectKeysErased, VaultError, type ProjectKeys } from '@buckets/vault';
import type { OperationKnown } from '../operations/operation-known.js';
import { newGeneration } from '../project-decisions/generation.js';
import { mustFit, type FoundProject } from '../project-decisions/recover-project.js';
import type { BackupsAtHand } from '../state/backups-at-hand.js';
import type { KnownBackup } from '../state/known-backup.js';
import type { ProjectState } from '../state/project-state.js';
import { planOf, tellingOf, type Described, type Placed } from './plan.js';

/** Projects that are looked at, snapshots of each that are read at once, and backups that are stated together. */
const PROJECTS_AT_ONCE = 4;
const READ_AT_ONCE = 16;
const STATED_AT_ONCE = 100;
const NAMED = 5;

/** A bucket as the log knows it, or is to. */
export interface RecoveredBucket {
  id: string;
  regionId: string;
  store: ObjectStore;
}

export interface BucketRecoveryParts {
  /** What a bucket holds copies of keys of, by their names: not all of them need to be ids. */
  keyNames: (store: ObjectStore) => AsyncIterable<string>;
  /** The keys of a project from its copy in the bucket; throws a {@link VaultError}. */
  keysFrom: (store: ObjectStore, projectId: string) => Promise<ProjectKeys>;
  /** What the log knows, with everything in it that was stated before. */
  stateOf: (projectId: string) => Promise<ProjectState | null>;
  /** The same of its backups with these ids; null where the log does not know the project. */
  backupsOf: (projectId: string, backupIds: string[]) => Promise<BackupsAtHand | null>;
  /** What has become of those of these operations of the project that the log knows. */
  operationsKnown: (projectId: string, operationIds: string[]) => Promise<ReadonlyMap<string, OperationKnown>>;
  /** States what was found; does nothing where only a look is wanted. */
  state: (projectId: string, found: FoundProject) => Promise<void>;
  isLookOnly: boolean;
  log: Pick<Logger, 'info' | 'warn'>;
  ownerId: string;
  requestedBy: string;
}

/** What became of the projects of a bucket. */
export interface BucketRecovered {
  /** Projects that the log did not know, and those that it knew already. */
  recovered: number;
  known: number;
  /** Backups that the log did not know. */
  backups: number;
  /** Projects whose keys were destroyed on purpose. */
  erased: number;
  /** Projects of which something could not be recovered; each was named with why. */
  refused: number;
}

const BACKUP_INTERVAL_MINUTES = 60;

/**
 * Makes the projects of a bucket known again from what the bucket holds: keys from their copies, backups from what their
 * snapshots say of themselves. Writes nothing into the bucket and to no host. What cannot be read or believed is named, and
 * the others are done regardless; a bucket, a database or a log out of reach ends it. It may be interrupted and repeated.
 *
 * Names are listed page by page. Of one project, a few hundred bytes of each snapshot are kept in memory while it is at work.
 */
export class BucketRecovery {
  constructor(private readonly parts: BucketRecoveryParts) {}

  async recover(bucket: RecoveredBucket): Promise<BucketRecovered> {
    const done: BucketRecovered = { recovered: 0, known: 0, backups: 0, erased: 0, refused: 0 };
    await forEachInParallel(this.parts.keyNames(bucket.store), PROJECTS_AT_ONCE, (name) =>
      this.recoverOrRefuse(bucket, name, done),
    );
    await forEachInParallel(bucket.store.folders('projects/'), PROJECTS_AT_ONCE, async (name) => {
      if (isId(name) && (await bucket.store.head(keyCopyOf(name))) !== undefined) return;
      this.refuse(
        bucket,
        name,
        'There is a repository, and no copy of its keys: without them nobody can read it.',
        done,
      );
    });
    return done;
  }

  private async recoverOrRefuse(bucket: RecoveredBucket, projectId: string, done: BucketRecovered): Promise<void> {
    try {
      await this.recoverProject(bucket, projectId, done);
    } catch (error) {
      if (error instanceof ProjectKeysErased) done.erased++;
      else if (isOfProject(error)) this.refuse(bucket, projectId, error.message, done);
      else throw error;
    }
  }

  private async recoverProject(bucket: RecoveredBucket, projectId: string, done: BucketRecovered): Promise<void> {
    const { stateOf, keysFrom, state: states, isLookOnly, log } = this.parts;
    const { repositoryKey } = await keysFrom(bucket.store, projectId);
    const repository = await this.open(bucket.store, projectId, JSON.stringify(repositoryKey));
    const before = await stateOf(projectId);
    const configId = repository?.config.id;
    const found = { bucketId: bucket.id, ...(configId === undefined ? {} : { repositoryConfigId: configId }) };
    mustFit(before, found);
    const tellings = repository === null ? NOTHING : await tellingsOf(repository, projectId);
    const { missing, late, open } = planOf(
      tellings.described,
      await this.knownOf(before, projectId, tellings.described),
    );
    const project = this.projectOf(bucket, found, tellings.described);

    if (before === null) await states(projectId, { project, backups: [] });
    for (let at = 0; at < missing.length; at += STATED_AT_ONCE) {
      const some = missing.slice(at, at + STATED_AT_ONCE);
      const backups = await inParallel(some, READ_AT_ONCE, (placed) =>
        recordOf(repository!, projectId, bucket.id, placed),
      );
      await states(projectId, { project, backups: backups.filter((backup) => backup !== undefined) });
    }

    if (before === null) done.recovered++;
    else done.known++;
    done.backups += missing.length;
    const lastHost = missing.length === 0 ? {} : { newest: missing.at(-1)!.backupId, madeAt: missing.at(-1)!.beganAt };
    const told = { bucketId: bucket.id, projectId, isNew: before === null, backups: missing.length, ...lastHost };
    log.info({ ...told, foreignSnapshots: tellings.foreign }, whatBecameOf(told, isLookOnly));
    const leftOut = tellings.refused.total + late.length + open.length;
    if (leftOut === 0) return;
    const first = [...tellings.refused.first, ...namedIn(late, TOO_LATE), ...namedIn(open, NOT_ENDED)];
    const named = first.slice(0, NAMED).join('; ');
    this.refuse(bucket, projectId, `${countText(leftOut, 'snapshot')} left out, and left alone: ${named}.`, done);
  }

  /** Null where the project was never backed up. */
  private async open(store: ObjectStore, projectId: string, masterKey: string): Promise<Repository | null> {
    return openRepository({ store, prefix: `projects/${projectId}/`, masterKey }).catch((error: unknown) => {
      if (error instanceof RepositoryNotFound) return null;
      throw error;
    });
  }

  private projectOf(
    { regionId }: RecoveredBucket,
    found: Pick<ProjectRecovered, 'bucketId' | 'repositoryConfigId'>,
    described: readonly Described[],
  ): ProjectRecovered {
    const { ownerId, requestedBy } = this.parts;
    const generation = newGeneration(described.map(({ generation: told }) => told));
    return { ...found, ownerId, regionId, generation, backupIntervalMinutes: BACKUP_INTERVAL_MINUTES, requestedBy };
  }

  private async knownOf(before: ProjectState | null, projectId: string, all: readonly Described[]) {
    const operations = new Map<string, OperationKnown>();
    const backups = new Map<string, Pick<KnownBackup, 'beganPosition'>>();
    for (let at = 0; before !== null && at < all.length; at += STATED_AT_ONCE) {
      const some = all.slice(at, at + STATED_AT_ONCE);
      const operationIds = some.map(({ operationId }) => operationId);
      for (const [id, known] of await this.parts.operationsKnown(projectId, operationIds)) operations.set(id, known);
      const ids = some.map(({ backupId }) => backupId);
      const atHand = await this.parts.backupsOf(projectId, ids);
      for (const id of ids) if (atHand?.has(id)) backups.set(id, atHand.get(id)!);
    }
    return {
      knows: (id: string) => backups.has(id) || (before?.deleted?.includes(id) ?? false),
      wasFound: (id: string) => backups.get(id)?.beganPosition === 0,
      operation: (id: string) => operations.get(id) ?? 'unknown',
    };
  }

  private refuse({ id: bucketId }: RecoveredBucket, name: string, reason: string, done: BucketRecovered): void {
    done.refused++;
    this.parts.log.warn({ bucketId, name: name.slice(0, 100), reason }, 'Something could not be recovered');
  }
}

const TOO_LATE = 'it is older than some that were recovered before, and would count as newer';
const NOT_ENDED = 'the operation that made it has not ended by the log; once it has, recover again';

function namedIn(some: readonly Described[], why: string): string[] {
  return some.slice(0, NAMED).map(({ backupId }) => `${backupId}: ${why}`);
}

function whatBecameOf({ isNew, backups }: { isNew: boolean; backups: number }, isLookOnly: boolean): string {
  if (!isNew && backups === 0) return 'A project was known already, with all its backups: nothing to do';
  const what = isNew ? 'A project' : 'A project was known already; backups of it';
  const is = isNew ? 'is' : 'are';
  return `${what} ${isLookOnly ? 'would be' : is} known again`;
}

/** What the snapshots of a repository say of themselves. */
interface Tellings {
  described: Described[];
  /** Snapshots that are no backups by their own word. */
  foreign: number;
  /** What could not be read or believed: how many, and of the first a sentence each. */
  refused: { total: number; first: string[] };
}

const NOTHING: Tellings = { described: [], foreign: 0, refused: { total: 0, first: [] } };

async function tellingsOf(repository: Repository, projectId: string): Promise<Tellings> {
  const tellings: Tellings = { described: [], foreign: 0, refused: { total: 0, first: [] } };
  for await (const ids of pagesOf(repository.snapshotIds(), READ_AT_ONCE)) {
    for (const told of await inParallel(ids, READ_AT_ONCE, (id) => read(repository, projectId, id))) {
      if (told === undefined) continue;
      if (typeof told === 'string') {
        tellings.refused.total++;
        if (tellings.refused.first.length < NAMED) tellings.refused.first.push(told);
        continue;
      }
      if (told.is === 'backup') tellings.described.push(told.described);
      else tellings.foreign++;
    }
  }
  return tellings;
}

/** What a snapshot says of itself; why that is not to be had; nothing when it has gone meanwhile. */
async function read(repository: Repository, projectId: string, id: string) {
  try {
    const told = tellingOf(await repository.snapshot(id), projectId);
    return told.is === 'unbelievable' ? `${id}: ${told.why}` : told;
  } catch (error) {
    if (error instanceof SnapshotNotFound) return undefined;
    if (error instanceof RepositoryError) return `${id}: ${error.message}`;
    throw error;
  }
}

/** The fact; nothing when the snapshot has gone since it was looked at. */
async function recordOf(
  repository: Repository,
  projectId: string,
  bucketId: string,
  { backupId, beganPosition, suspicions }: Placed,
): Promise<BackupRecorded | undefined> {
  const told = await read(repository, projectId, backupId);
  if (typeof told !== 'object' || told.is !== 'backup') return undefined;
  const { record } = told;
  const recovered =
    beganPosition === undefined ? { orderedBy: 'clock' as const } : { orderedBy: 'log' as const, beganPosition };
  return {
    ...record,
    partialBecause: [...record.partialBecause, ...suspicions],
    recovered: { bucketId, ...recovered },
  };
}

/** Whether it is the fault of what one project has in the bucket, and no others need to wait for it. */
function isOfProject(error: unknown): error is Error {
  return (
    error instanceof VaultError ||
    error instanceof RepositoryError ||
    (error instanceof Problem && error.status === 409)
  );
}

async function* pagesOf<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const each of all) {
    if (page.push(each) < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
