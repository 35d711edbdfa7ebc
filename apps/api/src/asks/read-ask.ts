import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsOptional, Matches, Min, validateSync } from 'class-validator';
import {
  BACKUP_ID_PATTERN,
  ID_PATTERN,
  OPERATION_KINDS,
  type AskName,
  type Asks,
  type OperationKind,
} from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';

class ConfirmAskBody {
  @Matches(ID_PATTERN) projectId!: string;
  @IsInt() @Min(1) generation!: number;
  @Matches(ID_PATTERN) operationId!: string;
  @Matches(ID_PATTERN) attemptId!: string;
}

class GrantAskBody extends ConfirmAskBody {
  @IsIn(OPERATION_KINDS) kind!: OperationKind;
  @IsInt() @Min(0) position!: number;
  @Matches(ID_PATTERN) workerId!: string;
  @IsOptional() @Matches(ID_PATTERN) previousFailure?: string;
}

class RepositoryInitialisedAskBody extends ConfirmAskBody {
  @Matches(/^[0-9a-f]{64}$/) configId!: string;
}

class UnknownBackupsAskBody extends ConfirmAskBody {
  @IsArray() @ArrayMaxSize(500) @Matches(BACKUP_ID_PATTERN, { each: true }) backupIds!: string[];
  @IsOptional() @IsArray() @ArrayMaxSize(500) @Matches(ID_PATTERN, { each: true }) operationIds?: string[];
}

class KnownBackupsAskBody extends ConfirmAskBody {
  @IsOptional() @Matches(BACKUP_ID_PATTERN) after?: string;
}

class AssignmentsAskBody {
  @IsOptional() @Matches(ID_PATTERN) after?: string;
}

const BODIES: { [N in AskName]: ClassConstructor<Asks[N]['ask'] & object> } = {
  grant: GrantAskBody,
  confirm: ConfirmAskBody,
  'repository-initialised': RepositoryInitialisedAskBody,
  'unknown-backups': UnknownBackupsAskBody,
  'known-backups': KnownBackupsAskBody,
  assignments: AssignmentsAskBody,
};

/** Hosts are not trusted: whatever they send is checked like a request from outside. @throws {Rejection} `bad-ask` */
export function readAsk<N extends AskName>(name: N, body: unknown): Asks[N]['ask'] {
  const instance = plainToInstance(BODIES[name], body ?? {}) as Asks[N]['ask'] & object;
  const [error] = validateSync(instance, { whitelist: true, forbidUnknownValues: true });
  if (error !== undefined) {
    throw new Rejection('bad-ask', `The ask is not understood: ${Object.values(error.constraints ?? {})[0]}.`, 400);
  }
  return instance;
}
