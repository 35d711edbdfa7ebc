import type { NatsConnection } from '@nats-io/transport-node';
import {
  isId,
  MAX_DAMAGED_BACKUPS,
  MAX_LISTED,
  subjects,
  type Asks,
  type AskName,
  type Assignments,
  type BackupRecord,
  type Confirmation,
  type Grant,
  type KnownBackups,
  type Refusal,
  type RepositoryInitialisedAnswer,
  type UnknownBackups,
} from '@buckets/contracts';
import { answer, type Answering, LogRefused, LogUnreachable, ProjectionBehind, type Projector } from '@buckets/log';
import { toProblem, unreachableDependency, type Logger } from '@buckets/service';
import { In, type DataSource } from 'typeorm';
import type { Decider } from '../decisions/decider.js';
import { Rejection } from '../problems/rejection.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import { operationKnown, TELLING_OF_END } from '../operations/operation-known.js';
import {
  beginAttempt,
  confirmAttempt,
  initialiseRepository,
  knownBackups,
  unknownBackups,
  type Attempt,
} from '../project-decisions/attempt.js';
import { openOperation } from '../project-decisions/verdict.js';
import {
  backupsInDoubt,
  backupToCompareWith,
  backupToRestore,
  damagedBackups,
  undecided,
  type OpenOperation,
  type ProjectState,
} from '../state/project-state.js';
import { BackupRow, OperationRow, ProjectRow } from '../tables/entities.js';
import { readAsk } from './read-ask.js';

const AT_ONCE = 200;
const PAGE = 500;

/** Answers the hosts: who may do what, with which keys. The host's name comes from the subject, never from the message. */
export class AskDesk {
  private answering: Answering | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly decider: Decider,
    private readonly data: DataSource,
    private readonly projector: Projector,
    private readonly keys: ProjectKeys,
    private readonly log: Logger,
  ) {}

  open(): void {
    const options = { queue: 'api', atOnce: AT_ONCE, refuse: (error: unknown) => this.refusal(error) };
    this.answering = answer(this.nats, subjects.allAsks, options, async ({ subject, body }) => {
      if (subject?.family !== 'ask' || !isId(subject.hostId)) throw new Rejection('bad-ask', 'Not an ask.', 400);
      return this.respond(subject.hostId, subject.name, body);
    });
  }

  async close(): Promise<void> {
    await this.answering?.drain();
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.answering?.check();
  }

  private async respond(hostId: string, name: string, body: unknown): Promise<Asks[AskName]['answer']> {
    switch (name) {
      case 'grant':
        return this.grant(hostId, readAsk('grant', body));
      case 'confirm':
        return this.confirm(hostId, readAsk('confirm', body));
      case 'repository-initialised':
        return this.repositoryInitialised(hostId, readAsk('repository-initialised', body));
      case 'unknown-backups':
        return this.unknownBackups(hostId, readAsk('unknown-backups', body));
      case 'known-backups':
        return this.knownBackups(hostId, readAsk('known-backups', body));
      case 'assignments':
        return this.assignments(hostId, readAsk('assignments', body));
      default:
        throw new Rejection('bad-ask', `Nothing answers to the ask "${name}".`, 404);
    }
  }

  /** The beginning of an attempt is in the log before its host is told. */
  private async grant(hostId: string, ask: Asks['grant']['ask']): Promise<Grant> {
    const { projectId, operationId, workerId, previousFailure } = ask;
    const attempt = {
      ...attemptOf(hostId, ask),
      workerId,
      ...(previousFailure === undefined ? {} : { previousFailure }),
    };
    let before: ProjectState | null = null;
    const { verdict, position } = await this.decider.decide(
      'project',
      projectId,
      (state) => {
        before = state;
        return beginAttempt(state, projectId, attempt);
      },
      { after: ask.position, readsTables: false, readable: false },
    );
    const state = before as ProjectState | null;
    const open = state === null ? undefined : openOperation(state, operationId);
    if (state === null || open === undefined || verdict.attempt === null) {
      throw new Rejection('operation-ended', 'The operation has ended.', 409);
    }
    const [keys, bucket, restore, newestBackup] = await Promise.all([
      this.keys.get(projectId),
      this.keys.bucketAccess(state.bucketId),
      this.backup(state, projectId, backupFor(state, open), position),
      this.backup(state, projectId, open.kind === 'backup' ? backupToCompareWith(state) : null, position),
    ]);
    const choices = open.kind === 'start' && open.params['backupId'] === undefined ? undecided(state) : null;
    return {
      attempt: verdict.attempt,
      cancelRequested: open.cancelRequestedAt !== undefined,
      bucket,
      repository: {
        prefix: `projects/${projectId}/`,
        ...(state.repositoryConfigId === undefined ? {} : { configId: state.repositoryConfigId }),
        masterKey: keys.masterKey,
        recoveryPassword: keys.recoveryPassword,
      },
      dataKey: Buffer.from(keys.dataKey).toString('base64'),
      ...(restore === null ? {} : { restore }),
      ...(choices === null ? {} : { undecided: choices }),
      ...(newestBackup === null ? {} : { newestBackup }),
      ...(open.kind === 'tidy' ? { inDoubt: backupsInDoubt(state).slice(0, MAX_LISTED) } : {}),
      ...damageOf(state, open),
      hadData: state.hadData,
      running: state.running,
      beganPosition: open.beganPosition ?? position,
    };
  }

  private async confirm(hostId: string, ask: Asks['confirm']['ask']): Promise<Confirmation> {
    const state = await this.decider.currentStateOf('project', ask.projectId);
    confirmAttempt(state, ask.projectId, attemptOf(hostId, ask));
    return { confirmed: true };
  }

  private async repositoryInitialised(
    hostId: string,
    ask: Asks['repository-initialised']['ask'],
  ): Promise<RepositoryInitialisedAnswer> {
    const { verdict } = await this.decider.decide('project', ask.projectId, (state) =>
      initialiseRepository(state, ask.projectId, attemptOf(hostId, ask), ask.configId),
    );
    return { configId: verdict.configId };
  }

  private async unknownBackups(hostId: string, ask: Asks['unknown-backups']['ask']): Promise<UnknownBackups> {
    const { projectId, operationIds = [] } = ask;
    const state = await this.decider.currentStateOf('project', projectId);
    // Tables that are behind know of fewer ends: what they do not know of stays where it is.
    const rows = await this.data.getRepository(OperationRow).find({
      select: TELLING_OF_END,
      where: { id: In(operationIds), project_id: projectId },
    });
    const ended = rows.filter((row) => operationKnown(row) === 'ended').map(({ id }) => id);
    return unknownBackups(state, projectId, attemptOf(hostId, ask), ask, new Set(ended));
  }

  private async knownBackups(hostId: string, ask: Asks['known-backups']['ask']): Promise<KnownBackups> {
    const { projectId, after } = ask;
    const state = await this.decider.currentStateOf('project', projectId);
    return knownBackups(state, projectId, attemptOf(hostId, ask), after);
  }

  private async assignments(hostId: string, { after }: Asks['assignments']['ask']): Promise<Assignments> {
    const rows = await this.data
      .getRepository(ProjectRow)
      .createQueryBuilder('p')
      .where('p.host_id = :hostId AND p.id > :after', { hostId, after: after ?? '' })
      .orderBy('p.id')
      .limit(PAGE)
      .getMany();
    return {
      items: rows.map(({ id, generation, running, provisioned }) => ({
        projectId: id,
        generation,
        running,
        provisioned,
      })),
      ...(rows.length < PAGE ? {} : { next: rows.at(-1)!.id }),
    };
  }

  /**
   * A backup with what is wrong with it as things stand.
   *
   * @param position of the state that knows the backup: the tables may not have got there yet
   */
  private async backup(
    { backups }: ProjectState,
    projectId: string,
    backupId: string | null,
    position: number,
  ): Promise<BackupRecord | null> {
    if (backupId === null || !Object.hasOwn(backups, backupId)) return null;
    const read = () => this.data.getRepository(BackupRow).findOneBy({ project_id: projectId, id: backupId });
    let row = await read();
    if (row === null) {
      await this.projector.waitFor(position);
      row = await read();
    }
    return row === null ? null : { ...row.record, partialBecause: backups[backupId]!.partialBecause };
  }

  private refusal(error: unknown): Refusal {
    if (error instanceof Rejection) {
      const { code, detail } = error;
      return { code, detail, retry: error.status >= 500, ...(code === 'operation-ended' ? { ended: true } : {}) };
    }
    const passing = error instanceof ProjectionBehind || error instanceof LogUnreachable || error instanceof LogRefused;
    const problem = toProblem(error);
    this.log.warn({ error }, 'An ask could not be answered');
    return {
      code: problem?.code ?? 'internal-error',
      detail: 'The control plane cannot answer at the moment.',
      retry: passing || problem === undefined || problem.status >= 500 || unreachableDependency(error) !== undefined,
    };
  }
}

function attemptOf(hostId: string, ask: Asks['confirm']['ask']): Attempt {
  const { generation, operationId, attemptId } = ask;
  return { hostId, generation, operationId, attemptId };
}

function damageOf(state: ProjectState, open: OpenOperation): Pick<Grant, 'damage' | 'damagedBackups'> {
  const { kind } = open;
  const reads = kind === 'backup' || kind === 'verify' || kind === 'restore' || kind === 'start';
  const damage = reads ? state.damage : undefined;
  const all = reads ? damagedBackups(state) : [];
  // What is damaged since it was asked for is not what was asked for: bringing back less might replace more.
  const wanted = backupFor(state, open);
  const damaged = wanted === null ? all : open.ofDamaged === true ? all.filter((id) => id === wanted) : [];
  return {
    ...(damage === undefined ? {} : { damage }),
    ...(damaged.length === 0 ? {} : { damagedBackups: damaged.slice(0, MAX_DAMAGED_BACKUPS) }),
  };
}

/** What a restore or a start was asked for, or what a start brings back by itself where the data are missing. */
function backupFor(state: ProjectState, { kind, params }: OpenOperation): string | null {
  if (kind !== 'restore' && kind !== 'start') return null;
  if (params['backupId'] !== undefined) return String(params['backupId']);
  return undecided(state) === null ? backupToRestore(state) : null;
}
