import type { NatsConnection } from '@nats-io/transport-node';
import {
  isId,
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
import { answer, type Answering, LogRefused, LogUnreachable, ProjectionBehind } from '@buckets/log';
import { toProblem, unreachableDependency, type Logger } from '@buckets/service';
import { In, type DataSource } from 'typeorm';
import type { Decider } from '../decisions/decider.js';
import { byHost } from '../decisions/turns.js';
import { statusMayPass } from '../problems/may-pass.js';
import { Rejection } from '../problems/rejection.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import { operationKnown, TELLING_OF_END } from '../operations/operation-known.js';
import { existing } from '../project-decisions/verdict.js';
import {
  beginAttempt,
  confirmAttempt,
  initialiseRepository,
  knownBackups,
  lookForKnown,
  unknownBackups,
  type Attempt,
} from '../project-decisions/attempt.js';
import { grantedBackups, lookForGrant } from '../project-decisions/granted-backups.js';
import { isLook } from '../state/backups-at-hand.js';
import type { KnownBackup } from '../state/known-backup.js';
import { openOperation, type ProjectState } from '../state/project-state.js';
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
    const { verdict, position, decidedAt } = await this.decider.decide(
      'project',
      projectId,
      (state) => {
        before = state;
        return beginAttempt(state, projectId, attempt);
      },
      { by: byHost(hostId), after: ask.position, readsTables: false, readable: false },
    );
    const state = before as ProjectState | null;
    const open = state === null ? undefined : openOperation(state, operationId);
    if (state === null || open === undefined || verdict.attempt === null) {
      throw new Rejection('operation-ended', 'The operation has ended.', 409);
    }
    const backups = async () => {
      const look = lookForGrant(open);
      if (!isLook(look)) return {};
      // What it goes by may be newer than what was decided on, and never older.
      const project = await this.decider.projectWithBackups(projectId, look, decidedAt);
      const { restore, newest, ...more } = grantedBackups(existing(project, projectId), open);
      const [toRestore, newestBackup] = await Promise.all([
        this.record(projectId, restore),
        this.record(projectId, newest),
      ]);
      return { ...(toRestore && { restore: toRestore }), ...(newestBackup && { newestBackup }), ...more };
    };
    const [keys, bucket, ofBackups] = await Promise.all([
      this.keys.get(projectId),
      this.keys.bucketAccess(state.bucketId),
      backups(),
    ]);
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
      ...ofBackups,
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
    const { verdict } = await this.decider.decide(
      'project',
      ask.projectId,
      (state) => initialiseRepository(state, ask.projectId, attemptOf(hostId, ask), ask.configId),
      { by: byHost(hostId) },
    );
    return { configId: verdict.configId };
  }

  private async unknownBackups(hostId: string, ask: Asks['unknown-backups']['ask']): Promise<UnknownBackups> {
    const { projectId, backupIds, operationIds = [] } = ask;
    const project = await this.decider.projectWithBackups(projectId, { ids: backupIds });
    // Tables that are behind know of fewer ends: what they do not know of stays where it is.
    const rows = await this.data.getRepository(OperationRow).find({
      select: TELLING_OF_END,
      where: { id: In(operationIds), project_id: projectId },
    });
    const ended = rows.filter((row) => operationKnown(row) === 'ended').map(({ id }) => id);
    return unknownBackups(project, projectId, attemptOf(hostId, ask), ask, new Set(ended));
  }

  private async knownBackups(hostId: string, ask: Asks['known-backups']['ask']): Promise<KnownBackups> {
    const { projectId, after } = ask;
    const project = await this.decider.projectWithBackups(projectId, lookForKnown(after));
    return knownBackups(project, projectId, attemptOf(hostId, ask));
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

  /** A backup with what is wrong with it as things stand. */
  private async record(projectId: string, known: KnownBackup | undefined): Promise<BackupRecord | undefined> {
    if (known === undefined) return undefined;
    const row = await this.data.getRepository(BackupRow).findOneBy({ project_id: projectId, id: known.id });
    return row === null ? undefined : { ...row.record, partialBecause: known.partialBecause };
  }

  private refusal(error: unknown): Refusal {
    if (error instanceof Rejection) {
      const { code, detail, status } = error;
      return { code, detail, retry: statusMayPass(status), ...(code === 'operation-ended' ? { ended: true } : {}) };
    }
    const passing = error instanceof ProjectionBehind || error instanceof LogUnreachable || error instanceof LogRefused;
    const problem = toProblem(error);
    this.log.warn({ error }, 'An ask could not be answered');
    return {
      code: problem?.code ?? 'internal-error',
      detail: 'The control plane cannot answer at the moment.',
      retry:
        passing || problem === undefined || statusMayPass(problem.status) || unreachableDependency(error) !== undefined,
    };
  }
}

function attemptOf(hostId: string, ask: Asks['confirm']['ask']): Attempt {
  const { generation, operationId, attemptId } = ask;
  return { hostId, generation, operationId, attemptId };
}
