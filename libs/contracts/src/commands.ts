import type { ClassConstructor } from 'class-transformer';
import { IsIn, IsString, Length, MaxLength } from 'class-validator';
import { checked, type Checked } from './check-data.js';
import { FreshnessChanged } from './events.js';
import { EXPIRY_CODES, type ExpiryCode } from './limits.js';
import { BackupId, Count, Generation, Id, Nested, Optional } from './shape.js';

/** Repeating it with the same key is the same operation. */
export class RequestCommand {
  @Id() projectId!: string;
  @IsString() @Length(1, 255) key!: string;
}

export class RequestTidyCommand extends RequestCommand {
  @Count() graceSeconds!: number;
}

export class RequestForgetCommand extends RequestCommand {
  @BackupId() backupId!: string;
  /** The project's last event by which it was chosen: what has happened since may have changed that. */
  @Optional() @Count() asOf?: number;
}

export class ExpireOperationCommand {
  @Id() projectId!: string;
  @Id() operationId!: string;
  @IsIn(EXPIRY_CODES) code!: ExpiryCode;
  /** What the manager knows beyond the limit, such as that the host is silent; for people. */
  @Optional() @IsString() @MaxLength(2_000) detail?: string;
}

export class StateFreshnessCommand {
  @Id() projectId!: string;
  @Generation() generation!: number;
  @Nested(FreshnessChanged) freshness!: FreshnessChanged;
}

/** What a process manager asks of the control plane, on `buckets.command.<name>`: decided like any caller's command. */
export interface Commands {
  /** Asks for a backup. */
  'request-backup': { command: RequestCommand; result: { operationId: string } };
  /** Asks for a look at what lies in a project's repository without being a backup, and for its removal. */
  'request-tidy': { command: RequestTidyCommand; result: { operationId: string } };
  /** Asks for a look whether a project's repository holds what its backups need, by names and sizes. */
  'request-verify': { command: RequestCommand; result: { operationId: string } };
  /**
   * Asks for a backup to be deleted that is no longer kept; refused for the one that a start would restore, and, to be tried
   * again, when the project has moved on since it was chosen.
   */
  'request-forget': { command: RequestForgetCommand; result: { operationId: string } };
  /** Ends an operation whose time is up, unless it has ended, or the limit is no longer what it waits for. */
  'expire-operation': { command: ExpireOperationCommand; result: { position: number } };
  /** States a transition of a project's freshness; refused when the project has another generation by now. */
  'state-freshness': { command: StateFreshnessCommand; result: { position: number } };
}
export type CommandName = keyof Commands & string;

const COMMAND_CLASSES: { [N in CommandName]: ClassConstructor<Commands[N]['command']> } = {
  'request-backup': RequestCommand,
  'request-tidy': RequestTidyCommand,
  'request-verify': RequestCommand,
  'request-forget': RequestForgetCommand,
  'expire-operation': ExpireOperationCommand,
  'state-freshness': StateFreshnessCommand,
};

export function readCommand<N extends CommandName>(name: N, body: unknown): Checked<Commands[N]['command']> {
  return checked<Commands[N]['command']>(COMMAND_CLASSES[name], body);
}
