import type { NatsConnection } from '@nats-io/transport-node';
import { plainToInstance, Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  Min,
  ValidateNested,
  validateSync,
} from 'class-validator';
import {
  BACKUP_ID_PATTERN,
  EXPIRY_CODES,
  FreshnessChanged,
  ID_PATTERN,
  subjects,
  type Commands,
  type ExpiryCode,
  type Refusal,
} from '@buckets/contracts';
import { answer, type Answering } from '@buckets/log';
import { toProblem, type Logger } from '@buckets/service';
import { Rejection } from '../problems/rejection.js';
import { SCHEDULER } from '../project-decisions/request-operation.js';
import type { ProjectCommands } from '../project-decisions/project-commands.js';

class RequestBackupBody {
  @Matches(ID_PATTERN) projectId!: string;
  @IsString() @Length(1, 255) key!: string;
}

class RequestTidyBody extends RequestBackupBody {
  @IsInt() @Min(0) graceSeconds!: number;
}

class RequestForgetBody extends RequestBackupBody {
  @Matches(BACKUP_ID_PATTERN) backupId!: string;
}

class ExpireOperationBody {
  @Matches(ID_PATTERN) projectId!: string;
  @Matches(ID_PATTERN) operationId!: string;
  @IsIn(EXPIRY_CODES) code!: ExpiryCode;
  @IsOptional() @IsString() @MaxLength(2_000) detail?: string;
}

class StateFreshnessBody {
  @Matches(ID_PATTERN) projectId!: string;
  @IsInt() @Min(1) generation!: number;
  @ValidateNested() @Type(() => FreshnessChanged) freshness!: FreshnessChanged;
}

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
        const { projectId, key } = read(RequestBackupBody, body);
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'backup', { key }) };
      }
      case 'request-tidy': {
        const { projectId, key, graceSeconds } = read(RequestTidyBody, body);
        const params = { remove: true, graceSeconds };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'tidy', { key, params }) };
      }
      case 'request-verify': {
        const { projectId, key } = read(RequestBackupBody, body);
        const params = { readData: 0 };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'verify', { key, params }) };
      }
      case 'request-forget': {
        const { projectId, key, backupId } = read(RequestForgetBody, body);
        const params = { backupId };
        return { operationId: await this.commands.requestFor(SCHEDULER, projectId, 'forget', { key, params }) };
      }
      case 'expire-operation': {
        const { projectId, ...expiry } = read(ExpireOperationBody, body);
        return { position: await this.commands.expire(projectId, expiry) };
      }
      case 'state-freshness': {
        const { projectId, generation, freshness } = read(StateFreshnessBody, body);
        return { position: await this.commands.stateFreshness(projectId, generation, freshness) };
      }
      default:
        throw new Rejection('bad-command', `Nothing answers to the command "${name}".`, 404);
    }
  }

  private refusal(error: unknown): Refusal {
    const problem = toProblem(error);
    if (!(error instanceof Rejection)) this.log.warn({ error }, 'A command could not be carried out');
    const retry = problem === undefined || problem.status >= 500;
    return {
      code: problem?.code ?? 'internal-error',
      detail: problem?.detail ?? 'It could not be carried out.',
      retry,
    };
  }
}

function read<T extends object>(type: new () => T, body: unknown): T {
  const instance = plainToInstance(type, body ?? {});
  const [error] = validateSync(instance, { whitelist: true, forbidUnknownValues: true });
  if (error === undefined) return instance;
  throw new Rejection('bad-command', `The command is not understood: ${error.property}.`, 400);
}
