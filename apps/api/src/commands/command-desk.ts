import type { NatsConnection } from '@nats-io/transport-node';
import { readCommand, subjects, type CommandName, type Commands, type Refusal } from '@buckets/contracts';
import { answer, type Answering } from '@buckets/log';
import { toProblem, type Logger } from '@buckets/service';
import { statusMayPass } from '../problems/may-pass.js';
import { Rejection } from '../problems/rejection.js';
import { SCHEDULER } from '../project-decisions/request-operation.js';
import type { ProjectCommands } from '../project-decisions/project-commands.js';

const AT_ONCE = 500;

/** Answers the process managers: their commands are decided like anybody's. */
export class CommandDesk {
  private answering: Answering | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly commands: ProjectCommands,
    private readonly log: Logger,
  ) {}

  open(): void {
    const options = { queue: 'api', atOnce: AT_ONCE, refuse: (error: unknown) => this.refusal(error) };
    this.answering = answer(this.nats, subjects.allCommands, options, ({ name, body }) => this.carryOut(name, body));
  }

  async close(): Promise<void> {
    await this.answering?.drain();
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.answering?.check();
  }

  private async carryOut(name: string, body: unknown): Promise<Commands[keyof Commands]['result']> {
    switch (name) {
      case 'request-backup': {
        const { projectId, key } = read('request-backup', body);
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'backup', { key }) };
      }
      case 'request-tidy': {
        const { projectId, key, graceSeconds } = read('request-tidy', body);
        const params = { remove: true, graceSeconds };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'tidy', { key, params }) };
      }
      case 'request-verify': {
        const { projectId, key } = read('request-verify', body);
        const params = { readData: 0 };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'verify', { key, params }) };
      }
      case 'request-forget': {
        const { projectId, key, backupId, asOf } = read('request-forget', body);
        const wanted = { key, params: { backupId }, asOf };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'forget', wanted) };
      }
      case 'expire-operation': {
        const { projectId, ...expiry } = read('expire-operation', body);
        return { position: await this.commands.expire(projectId, expiry) };
      }
      case 'state-freshness': {
        const { projectId, generation, freshness } = read('state-freshness', body);
        return { position: await this.commands.stateFreshness(projectId, generation, freshness) };
      }
      default:
        throw new Rejection('bad-command', `Nothing answers to the command "${name}".`, 404);
    }
  }

  private refusal(error: unknown): Refusal {
    const problem = toProblem(error);
    if (!(error instanceof Rejection)) this.log.warn({ error }, 'A command could not be carried out');
    const retry = problem === undefined || statusMayPass(problem.status);
    return {
      code: problem?.code ?? 'internal-error',
      detail: problem?.detail ?? 'It could not be carried out.',
      retry,
    };
  }
}

function read<N extends CommandName>(name: N, body: unknown): Commands[N]['command'] {
  const { data, fault } = readCommand(name, body);
  if (fault !== undefined) throw new Rejection('bad-command', `The command is not understood: ${fault}.`, 400);
  return data;
}
