import {
  idFromKey,
  isEnded,
  type FreshnessChanged,
  type OperationLimits,
  type ProjectCreated,
  type ProjectUpdated,
  type Retention,
} from '@buckets/contracts';
import type { DataSource } from 'typeorm';
import { forItself, operationOf, type OperationId, type ProjectId } from '../access/admission.js';
import type { Decider } from '../decisions/decider.js';
import { operationNotFound, projectNotFound } from '../problems/not-there.js';
import { Rejection } from '../problems/rejection.js';
import { sameRequest, type Repeatable } from '../http/idempotency.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import { limitsFor, type Limits } from './limits.js';
import { BackupRow, BucketRow, HostRow, OperationRow, ProjectRow } from '../tables/entities.js';
import { acceptBackup } from './accept-backup.js';
import { assignProject } from './assign-project.js';
import { cancelOperation } from './cancel-operation.js';
import { reportChange, stateFreshness } from './changes.js';
import { createProject, updateProject } from './create-project.js';
import { expireOperation, type Expiry } from './expire-operation.js';
import { newGeneration } from './generation.js';
import { removeMember, setMember, type Membership } from './members.js';
import { lookForRequest, requestOperation, type OperationRequest, type Requester } from './request-operation.js';
import { NOTHING, type Verdict } from './verdict.js';
import { undecided, type Project } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';

/** What is asked for, and how long it may take where the caller has a wish. */
export interface Wanted {
  params?: Record<string, unknown>;
  limits?: Partial<OperationLimits> | undefined;
  /** See {@link DecideOptions.asOf}. */
  asOf?: number | undefined;
  /** See {@link OperationRequest.although}. */
  although?: OperationRequest['although'];
  /** For a start: whether the host of the project says that data are missing. Asked only where somebody has to choose. */
  areDataMissing?: (project: ProjectRow) => Promise<boolean>;
}

export interface NewProject {
  id?: string;
  ownerId?: string;
  title?: string;
  description?: string;
  hostId: string;
  bucketId?: string;
  backupIntervalMinutes?: number;
  retention?: Retention;
  adopt?: boolean;
}

const DEFAULT_INTERVAL_MINUTES = 60;

/** Carries out what is asked of projects, whoever asks: HTTP, or a process manager. */
export class ProjectCommands {
  constructor(
    private readonly decider: Decider,
    private readonly data: DataSource,
    private readonly keys: ProjectKeys,
    private readonly limits: Limits,
  ) {}

  async create(project: NewProject, repetition: Repeatable): Promise<ProjectId> {
    const projectId = forItself(project.id ?? repetition.idFor('project'));
    const host = await this.host(project.hostId);
    const bucket = await this.bucketFor(project, host.region_id);
    // Refused before keys are made for it; what still slips through is refused again by the decision.
    const existing = await this.decider.stateOf('project', projectId);
    // An earlier try of this very request counts, too: which of them the keys are of, nobody can say.
    const mayHaveHadData = existing.state === null && (await this.keys.hasTraceOf(projectId, bucket.id));
    if (existing.state === null) await this.keys.ensure(projectId, bucket.id);
    const { requestedBy, requestHash } = repetition;
    const data: ProjectCreated = {
      ownerId: project.ownerId ?? requestedBy,
      ...(await this.sealed(projectId, project)),
      regionId: bucket.region_id,
      bucketId: bucket.id,
      hostId: project.hostId,
      // What a host still has of a project of that name is not the data of this one.
      generation: mayHaveHadData ? newGeneration([]) : 1,
      backupIntervalMinutes: project.backupIntervalMinutes ?? DEFAULT_INTERVAL_MINUTES,
      ...(project.retention === undefined ? {} : { retention: project.retention }),
      requestedBy,
      ...(requestHash === undefined ? {} : { requestHash }),
    };
    const operationId = idFromKey('provision', projectId, projectId);
    const command = {
      projectId,
      data,
      operationId,
      adopt: project.adopt ?? false,
      limits: this.limits.provision,
      at: new Date().toISOString(),
    };
    await this.decider.decide('project', projectId, (state) => createProject(state, command));
    return projectId;
  }

  /** Gives a project that was found in its bucket a host: that of its newest backup, unless the caller knows better. */
  async assign(
    projectId: ProjectId,
    { hostId, although }: { hostId: string; although?: 'made-elsewhere' | undefined },
    repetition: Repeatable,
  ): Promise<void> {
    await this.host(hostId);
    const assignment = { hostId, ...requester(repetition) };
    const decide = async (state: ProjectState | null): Promise<Verdict> => {
      const madeOn = although === undefined ? await this.hostOfNewestBackup(projectId) : undefined;
      return assignProject(state, projectId, assignment, { madeOn, although });
    };
    await this.decider.decide('project', projectId, decide, { readsTables: true });
  }

  private async hostOfNewestBackup(projectId: string): Promise<string | undefined> {
    const newest = await this.data.getRepository(BackupRow).findOne({
      where: { project_id: projectId },
      order: { began_position: 'DESC', position: 'DESC' },
    });
    return newest?.record.hostId;
  }

  async update(
    projectId: ProjectId,
    change: {
      ownerId?: string;
      title?: string;
      description?: string;
      backupIntervalMinutes?: number;
      retention?: Retention;
    },
    requestedBy: string,
  ): Promise<void> {
    await this.existing(projectId);
    const { ownerId, backupIntervalMinutes, retention } = change;
    const data: ProjectUpdated = {
      ...(ownerId === undefined ? {} : { ownerId }),
      ...(await this.sealed(projectId, change)),
      ...(backupIntervalMinutes === undefined ? {} : { backupIntervalMinutes }),
      ...(retention === undefined ? {} : { retention }),
      requestedBy,
    };
    if (Object.keys(change).length === 0) return;
    await this.decider.decide('project', projectId, (state) => updateProject(state, projectId, data));
  }

  /** @returns the operation's id; a repeated request gives the same one */
  async request(
    projectId: ProjectId,
    kind: OperationRequest['kind'],
    { params = {}, limits, asOf, although, areDataMissing }: Wanted,
    repetition: Repeatable,
  ): Promise<OperationId> {
    const by = requester(repetition);
    const operationId = operationOf(projectId, repetition.idFor('operation'));
    const request: OperationRequest = {
      operationId,
      kind,
      params,
      limits: limitsFor(this.limits, kind, limits),
      at: new Date().toISOString(),
      by,
      although,
      ...(areDataMissing === undefined ? {} : { dataAreMissing: await this.mayChoose(projectId, areDataMissing) }),
    };
    // Without a key the id is a new one: there is nothing to look up.
    const { hasKey } = repetition;
    const decide = async (state: Project | null): Promise<Verdict> => {
      const known = hasKey ? await this.operation(operationId) : null;
      if (known === null) return requestOperation(state, projectId, request);
      sameRequest(known.request_hash, by.requestHash);
      return NOTHING;
    };
    await this.decider.decideWithBackups(projectId, lookForRequest(request), decide, { asOf, readsTables: hasKey });
    return operationId;
  }

  /**
   * Ends an operation, or has its host end it. The same request again finds what it did.
   *
   * @throws {Rejection} `operation-ended`
   */
  async cancel(operationId: OperationId, repetition: Repeatable): Promise<void> {
    const by = requester(repetition);
    const operation = await this.operation(operationId);
    if (operation === null) {
      throw operationNotFound(operationId);
    }
    const { project_id: projectId } = operation;
    await this.decider.decide('project', projectId, async (state) => {
      const { state: reached, cancel_hash: first } = (await this.operation(operationId)) ?? operation;
      if (!isEnded(reached))
        return cancelOperation(state, projectId, { operationId, at: new Date().toISOString(), by });
      if (first !== null && first === by.requestHash) return { events: [], intents: [] };
      const detail = `The operation has ended already: its state is ${reached}.`;
      throw new Rejection('operation-ended', detail, 409, { state: reached });
    });
  }

  async setMember(projectId: ProjectId, wanted: Membership): Promise<void> {
    await this.decider.decide('project', projectId, (state) => setMember(state, projectId, wanted));
  }

  async removeMember(projectId: ProjectId, wanted: Omit<Membership, 'role'>): Promise<void> {
    await this.decider.decide('project', projectId, (state) => removeMember(state, projectId, wanted));
  }

  async acceptBackup(projectId: ProjectId, backupId: string, requestedBy: string): Promise<void> {
    await this.decider.decideWithBackups(projectId, { ids: [backupId] }, (project) =>
      acceptBackup(project, projectId, { backupId, requestedBy }),
    );
  }

  /** @returns the position at which it is decided */
  async expire(projectId: string, expiry: Omit<Expiry, 'at'>): Promise<number> {
    const { position } = await this.decider.decide('project', projectId, (state) =>
      expireOperation(state, projectId, { ...expiry, at: new Date().toISOString() }),
    );
    return position;
  }

  async reportChange(projectId: ProjectId, source: string): Promise<void> {
    const change = { source, at: new Date().toISOString() };
    await this.decider.decide('project', projectId, (state) => reportChange(state, projectId, change));
  }

  async stateFreshness(projectId: string, generation: number, data: FreshnessChanged): Promise<number> {
    const { position } = await this.decider.decide('project', projectId, (state) =>
      stateFreshness(state, projectId, generation, data),
    );
    return position;
  }

  /** What a process manager asks for under a key of its own. */
  async requestFor(
    manager: string,
    projectId: string,
    kind: OperationRequest['kind'],
    { key, ...wanted }: { key: string } & Pick<Wanted, 'params' | 'asOf'>,
  ): Promise<string> {
    const idFor = (purpose: string) => idFromKey(purpose, manager, `${projectId} ${key}`);
    return this.request(forItself(projectId), kind, wanted, { requestedBy: manager, hasKey: true, idFor });
  }

  async existing(projectId: ProjectId): Promise<ProjectRow> {
    const row = await this.data.getRepository(ProjectRow).findOneBy({ id: projectId });
    if (row === null) throw projectNotFound(projectId);
    return row;
  }

  /**
   * Whether data are missing, and somebody has to choose between backups. Where the host says nothing, its worker finds out,
   * and has the start fail rather than choose.
   */
  private async mayChoose(
    projectId: ProjectId,
    areDataMissing: NonNullable<Wanted['areDataMissing']>,
  ): Promise<boolean> {
    const project = await this.decider.projectWithBackups(projectId, { choices: true }, 0);
    if (project === null || undecided(project) === null) return false;
    return areDataMissing(await this.existing(projectId));
  }

  private async host(id: string): Promise<HostRow> {
    const host = await this.data.getRepository(HostRow).findOneBy({ id });
    if (host === null) throw new Rejection('host-not-found', `There is no host ${id}.`, 404);
    return host;
  }

  private async operation(id: string): Promise<OperationRow | null> {
    return this.data.getRepository(OperationRow).findOneBy({ id });
  }

  private async bucketFor({ bucketId }: NewProject, regionId: string): Promise<BucketRow> {
    const buckets = this.data.getRepository(BucketRow);
    if (bucketId !== undefined) {
      const bucket = await buckets.findOneBy({ id: bucketId });
      if (bucket === null) throw new Rejection('bucket-not-found', `There is no bucket ${bucketId}.`, 404);
      return bucket;
    }
    const [bucket] = await buckets.find({ where: { region_id: regionId }, order: { position: 'ASC' }, take: 1 });
    if (bucket !== undefined) return bucket;
    const detail = `The region ${regionId} of the host has no bucket. Name a bucketId, or add a bucket to the region.`;
    throw new Rejection('no-bucket-in-region', detail, 409);
  }

  private async sealed(
    projectId: string,
    texts: { title?: string; description?: string },
  ): Promise<{ title?: string; description?: string }> {
    const { title, description } = texts;
    const seal = (field: string, text: string) => this.keys.seal({ projectId, field }, text);
    return {
      ...(title === undefined ? {} : { title: await seal('title', title) }),
      ...(description === undefined ? {} : { description: await seal('description', description) }),
    };
  }
}

function requester({ requestedBy, requestHash }: Repeatable): Requester {
  return { requestedBy, ...(requestHash === undefined ? {} : { requestHash }) };
}
