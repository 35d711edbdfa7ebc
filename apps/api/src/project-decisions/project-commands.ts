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
import { forItself, madeBy, operationOf, type AdmittedOperation, type AdmittedProject } from '../access/admission.js';
import type { Caller } from '../access/caller.js';
import type { DecideOptions, Decider } from '../decisions/decider.js';
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
import { undecided, type BackupLook, type Project } from '../state/backups-at-hand.js';
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

  async create(wanted: NewProject, repetition: Repeatable, caller: Caller): Promise<AdmittedProject> {
    const project = madeBy(caller, wanted.id ?? repetition.idFor('project'));
    const projectId = project.id;
    const bucket = await this.bucketFor(wanted, caller);
    // Refused before keys are made for it; what still slips through is refused again by the decision.
    const existing = await this.decider.stateOf('project', projectId);
    // An earlier try of this very request counts, too: which of them the keys are of, nobody can say.
    const mayHaveHadData = existing.state === null && (await this.keys.hasTraceOf(projectId, bucket.id));
    if (existing.state === null) await this.keys.ensure(projectId, bucket.id);
    const { requestedBy, requestHash } = repetition;
    const data: ProjectCreated = {
      ownerId: wanted.ownerId ?? requestedBy,
      ...(await this.sealed(projectId, wanted)),
      regionId: bucket.region_id,
      bucketId: bucket.id,
      hostId: wanted.hostId,
      // What a host still has of a project of that name is not the data of this one.
      generation: mayHaveHadData ? newGeneration([]) : 1,
      backupIntervalMinutes: wanted.backupIntervalMinutes ?? DEFAULT_INTERVAL_MINUTES,
      ...(wanted.retention === undefined ? {} : { retention: wanted.retention }),
      requestedBy,
      ...(requestHash === undefined ? {} : { requestHash }),
    };
    const operationId = idFromKey('provision', projectId, projectId);
    const command = {
      projectId,
      data,
      operationId,
      adopt: wanted.adopt ?? false,
      limits: this.limits.provision,
      at: new Date().toISOString(),
    };
    await this.decide(project, (state) => createProject(state, command));
    return project;
  }

  /** Gives a project that was found in its bucket a host: that of its newest backup, unless the caller knows better. */
  async assign(
    project: AdmittedProject,
    { hostId, although }: { hostId: string; although?: 'made-elsewhere' | undefined },
    repetition: Repeatable,
  ): Promise<void> {
    if (!(await this.data.getRepository(HostRow).existsBy({ id: hostId }))) throw hostNotFound(hostId);
    const assignment = { hostId, ...requester(repetition) };
    const decide = async (state: ProjectState | null): Promise<Verdict> => {
      const madeOn = although === undefined ? await this.hostOfNewestBackup(project.id) : undefined;
      return assignProject(state, project.id, assignment, { madeOn, although });
    };
    await this.decide(project, decide);
  }

  private async hostOfNewestBackup(projectId: string): Promise<string | undefined> {
    const newest = await this.data.getRepository(BackupRow).findOne({
      where: { project_id: projectId },
      order: { began_position: 'DESC', position: 'DESC' },
    });
    return newest?.record.hostId;
  }

  async update(
    project: AdmittedProject,
    change: {
      ownerId?: string;
      title?: string;
      description?: string;
      backupIntervalMinutes?: number;
      retention?: Retention;
    },
    requestedBy: string,
  ): Promise<void> {
    await this.existing(project);
    const { ownerId, backupIntervalMinutes, retention } = change;
    const data: ProjectUpdated = {
      ...(ownerId === undefined ? {} : { ownerId }),
      ...(await this.sealed(project.id, change)),
      ...(backupIntervalMinutes === undefined ? {} : { backupIntervalMinutes }),
      ...(retention === undefined ? {} : { retention }),
      requestedBy,
    };
    if (Object.keys(change).length === 0) return;
    await this.decide(project, (state) => updateProject(state, project.id, data));
  }

  /** @returns the operation; a repeated request gives the same one */
  async request(
    project: AdmittedProject,
    kind: OperationRequest['kind'],
    { params = {}, limits, asOf, although, areDataMissing }: Wanted,
    repetition: Repeatable,
  ): Promise<AdmittedOperation> {
    const by = requester(repetition);
    const operationId = repetition.idFor('operation');
    const request: OperationRequest = {
      operationId,
      kind,
      params,
      limits: limitsFor(this.limits, kind, limits),
      at: new Date().toISOString(),
      by,
      although,
      ...(areDataMissing === undefined ? {} : { dataAreMissing: await this.mayChoose(project, areDataMissing) }),
    };
    // Without a key the id is a new one: there is nothing to look up.
    const { hasKey } = repetition;
    const decide = async (state: Project | null): Promise<Verdict> => {
      const known = hasKey ? await this.operation(operationId) : null;
      if (known === null) return requestOperation(state, project.id, request);
      sameRequest(known.request_hash, by.requestHash);
      return NOTHING;
    };
    await this.decideWithBackups(project, lookForRequest(request), decide, { asOf, readsTables: hasKey });
    return operationOf(project, operationId);
  }

  /**
   * Ends an operation, or has its host end it. The same request again finds what it did.
   *
   * @throws {Rejection} `operation-ended`
   */
  async cancel({ id: operationId, by: mandate }: AdmittedOperation, repetition: Repeatable): Promise<void> {
    const by = requester(repetition);
    const operation = await this.operation(operationId);
    if (operation === null) {
      throw operationNotFound(operationId);
    }
    const { project_id: projectId } = operation;
    await this.decide({ id: projectId, by: mandate }, async (state) => {
      const { state: reached, cancel_hash: first } = (await this.operation(operationId)) ?? operation;
      if (!isEnded(reached))
        return cancelOperation(state, projectId, { operationId, at: new Date().toISOString(), by });
      if (first !== null && first === by.requestHash) return { events: [], intents: [] };
      const detail = `The operation has ended already: its state is ${reached}.`;
      throw new Rejection('operation-ended', detail, 409, { state: reached });
    });
  }

  async setMember(project: AdmittedProject, wanted: Membership): Promise<void> {
    await this.decide(project, (state) => setMember(state, project.id, wanted));
  }

  async removeMember(project: AdmittedProject, wanted: Omit<Membership, 'role'>): Promise<void> {
    await this.decide(project, (state) => removeMember(state, project.id, wanted));
  }

  async acceptBackup(project: AdmittedProject, backupId: string, requestedBy: string): Promise<void> {
    await this.decideWithBackups(project, { ids: [backupId] }, (state) =>
      acceptBackup(state, project.id, { backupId, requestedBy }),
    );
  }

  /** @returns the position at which it is decided */
  async expire(projectId: string, expiry: Omit<Expiry, 'at' | 'limits'>): Promise<number> {
    const limits = (await this.operation(expiry.operationId))?.limits ?? null;
    const { position } = await this.decide(forItself(projectId), (state) =>
      expireOperation(state, projectId, { ...expiry, limits, at: new Date().toISOString() }),
    );
    return position;
  }

  async reportChange(project: AdmittedProject, source: string): Promise<void> {
    const change = { source, at: new Date().toISOString() };
    await this.decide(project, (state) => reportChange(state, project.id, change));
  }

  async stateFreshness(projectId: string, generation: number, data: FreshnessChanged): Promise<number> {
    const { position } = await this.decide(forItself(projectId), (state) =>
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
    const repetition = { requestedBy: manager, hasKey: true, idFor };
    return (await this.request(forItself(projectId), kind, wanted, repetition)).id;
  }

  async existing({ id }: AdmittedProject): Promise<ProjectRow> {
    const row = await this.data.getRepository(ProjectRow).findOneBy({ id });
    if (row === null) throw projectNotFound(id);
    return row;
  }

  /** What follows from a command, on whose word it is: whether they still have a say is looked at with all else. */
  private async decide(
    { id, by }: Pick<AdmittedProject, 'id' | 'by'>,
    decide: (state: ProjectState | null) => Verdict | Promise<Verdict>,
  ): Promise<{ position: number }> {
    const held = (state: ProjectState | null) => (by?.mustHold(state), decide(state));
    return this.decider.decide('project', id, held, { by });
  }

  private async decideWithBackups(
    { id, by }: AdmittedProject,
    look: BackupLook,
    decide: (project: Project | null) => Verdict | Promise<Verdict>,
    options: DecideOptions = {},
  ): Promise<void> {
    const held = (project: Project | null) => (by?.mustHold(project), decide(project));
    await this.decider.decideWithBackups(id, look, held, { ...options, by });
  }

  /**
   * Whether data are missing, and somebody has to choose between backups. Where the host says nothing, its worker finds out,
   * and has the start fail rather than choose.
   */
  private async mayChoose(
    admitted: AdmittedProject,
    areDataMissing: NonNullable<Wanted['areDataMissing']>,
  ): Promise<boolean> {
    const project = await this.decider.projectWithBackups(admitted.id, { choices: true }, 0);
    if (project === null || undecided(project) === null) return false;
    return areDataMissing(await this.existing(admitted));
  }

  private async operation(id: string): Promise<OperationRow | null> {
    return this.data.getRepository(OperationRow).findOneBy({ id });
  }

  /** Where the backups of a new project go. To whom the fleet is not shown, a host without a bucket is none: they cost and say the same. */
  private async bucketFor({ hostId, bucketId }: NewProject, caller: Caller): Promise<BucketRow> {
    const host = await this.data.getRepository(HostRow).findOneBy({ id: hostId });
    const buckets = this.data.getRepository(BucketRow);
    const region_id = host?.region_id ?? '';
    const bucket =
      bucketId === undefined
        ? await buckets.findOne({ where: { region_id }, order: { position: 'ASC' } })
        : await buckets.findOneBy({ id: bucketId });
    if (host !== null && bucket !== null) return bucket;
    if (host === null || caller.reach !== 'fleet') throw hostNotFound(hostId);
    if (bucketId !== undefined) throw new Rejection('bucket-not-found', `There is no bucket ${bucketId}.`, 404);
    const detail = `The region ${region_id} of the host has no bucket. Name a bucketId, or add a bucket to the region.`;
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

function hostNotFound(id: string): Rejection {
  return new Rejection('host-not-found', `There is no host ${id}.`, 404);
}
