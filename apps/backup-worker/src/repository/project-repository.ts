import { operationTag, type Grant } from '@buckets/contracts';
import { S3ObjectStore } from '@buckets/object-storage';
import {
  configWithId,
  indexPacks,
  mendRepository,
  openRepository,
  RepositoryNotFound,
  storeReadablePart,
  surveyRepository,
  type DamagedObject,
  type IndexedPacks,
  type MendOptions,
  type ReadablePart,
  type Repository,
  type Snapshot,
  type Survey,
  type SurveyOptions,
} from '@buckets/repository';
import { AttemptFailed } from '../operations/operation.js';
import type { Call, RepositoryAccess, Rustic } from '../rustic/index.js';

/** One project's repository, as a grant opens it: for rustic to write, for the reader to prove. */
export class ProjectRepository implements AsyncDisposable {
  readonly access: RepositoryAccess;
  private readonly store: S3ObjectStore;
  private opened: Repository | undefined;

  constructor(
    private readonly grant: Pick<Grant, 'bucket' | 'repository'>,
    private readonly rustic: Rustic,
  ) {
    const { bucket, repository } = grant;
    this.store = new S3ObjectStore(bucket);
    this.access = {
      kind: 's3',
      ...bucket,
      root: repository.prefix.replace(/\/$/, ''),
      masterKey: JSON.stringify(repository.masterKey),
    };
  }

  /**
   * Opens the repository and compares it with the one that it must be.
   *
   * @throws {AttemptFailed} `repository-mismatch` when it is another one, `repository-missing` when it is gone
   */
  async open(expectedConfigId: string | undefined = this.grant.repository.configId): Promise<Repository> {
    if (this.opened !== undefined) return this.opened;
    const { prefix } = this.grant.repository;
    const repository = await openRepository({ store: this.store, prefix, masterKey: this.access.masterKey }).catch(
      (error: unknown) => {
        if (!(error instanceof RepositoryNotFound)) throw error;
        throw new AttemptFailed('repository-missing', 'The repository of this project is not in its bucket.');
      },
    );
    mustBeTheSame(repository.config.id, expectedConfigId);
    return (this.opened = repository);
  }

  /**
   * Looks at what is in the bucket.
   *
   * @throws {AttemptFailed} `repository-mismatch` when it is another repository
   */
  async survey(watch: Pick<SurveyOptions, 'signal' | 'onSign'>): Promise<Survey> {
    const { prefix, configId } = this.grant.repository;
    const survey = await surveyRepository({ store: this.store, prefix, masterKey: this.access.masterKey, ...watch });
    if (survey.configId !== undefined) mustBeTheSame(survey.configId, configId);
    return survey;
  }

  /**
   * Mends what was found to be damaged, so that the repository works, and the next backup writes anew what is lost. A
   * config that is made anew keeps its id; what is chunked from then on is only chunked otherwise.
   */
  async mend(damaged: readonly DamagedObject[], call: Call, confirm: () => Promise<void>): Promise<void> {
    const { prefix, configId, recoveryPassword } = this.grant.repository;
    const { masterKey } = this.access;
    const { signal, onSign } = call;
    await mendRepository({ store: this.store, prefix, masterKey, signal, onSign, confirm }, damaged);
    const lacks = new Set<string>(damaged.map(({ kind }) => kind));
    if (!lacks.has('config') && !lacks.has('key')) return;
    const { objects } = await this.rustic.initialise(masterKey, recoveryPassword, call);
    for (const { path, bytes } of objects) {
      const isConfig = path === 'config';
      if (!lacks.has(isConfig ? 'config' : 'key')) continue;
      const stored = isConfig && configId !== undefined ? configWithId(masterKey, bytes, configId) : bytes;
      await this.store.put(`${prefix}${path}`, stored, { ifNoneMatch: isConfig });
    }
  }

  /** Stores what can be read of a damaged backup as a snapshot of its own, to be restored and removed by that operation. */
  readablePart(
    operationId: string,
    backupId: string,
    watch: Pick<MendOptions, 'signal' | 'onSign' | 'confirm'>,
  ): Promise<ReadablePart> {
    const { prefix } = this.grant.repository;
    const where = { store: this.store, prefix, masterKey: this.access.masterKey, ...watch };
    return storeReadablePart(where, backupId, [operationTag(operationId)]);
  }

  /** Looks at the packs in the bucket, and at no more than is asked for later. */
  async surveyPacks(watch: Pick<SurveyOptions, 'signal' | 'onSign'>): Promise<Survey> {
    const { prefix } = this.grant.repository;
    return surveyRepository({ store: this.store, prefix, masterKey: this.access.masterKey, ...watch }, 'packs');
  }

  /**
   * Makes the repository if it is not there. `config` is what makes it a repository, and is stored only where there
   * is none: whoever comes second adopts what the first has stored, and no key is ever paired with another's config.
   *
   * @returns the id in its config
   */
  async initialise(call: Call): Promise<string> {
    const { prefix, recoveryPassword } = this.grant.repository;
    if ((await this.store.head(`${prefix}config`)) === undefined) {
      const { objects } = await this.rustic.initialise(this.access.masterKey, recoveryPassword, call);
      for (const { path, bytes } of objects) {
        await this.store.put(`${prefix}${path}`, bytes, { ifNoneMatch: path === 'config' });
      }
    }
    return (await this.open(undefined)).config.id;
  }

  /** Has the next backup find what one that was cut off has uploaded. */
  async keepUploads(signal?: AbortSignal): Promise<IndexedPacks> {
    await this.open();
    return indexPacks(this.store, this.grant.repository.prefix, this.access.masterKey, signal);
  }

  /** The snapshot that an earlier attempt of the operation has made, if any. */
  async madeBy(operationId: string): Promise<Snapshot | undefined> {
    const repository = await this.open();
    const [snapshot] = await repository.findSnapshots(({ tags }) => tags.includes(operationTag(operationId)));
    return snapshot;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.store.destroy();
    return Promise.resolve();
  }
}

function mustBeTheSame(configId: string, expected: string | undefined): void {
  if (expected === undefined || configId === expected) return;
  throw new AttemptFailed(
    'repository-mismatch',
    'The repository in the bucket is not the one that was initialised for this project. ' +
      'Nothing was written. Find out who has replaced it before you go on.',
  );
}
