import type { FreshnessChanged } from './events.js';
import type { ExpiryCode } from './limits.js';

/** What a process manager asks of the control plane, on `buckets.command.<name>`: decided like any caller's command. */
export interface Commands {
  /** Asks for a backup. Repeating it with the same key is the same operation. */
  'request-backup': {
    command: { projectId: string; key: string };
    result: { operationId: string };
  };
  /** Asks for a look at what lies in a project's repository without being a backup, and for its removal. */
  'request-tidy': {
    command: { projectId: string; key: string; graceSeconds: number };
    result: { operationId: string };
  };
  /** Asks for a look whether a project's repository holds what its backups need, by names and sizes. */
  'request-verify': {
    command: { projectId: string; key: string };
    result: { operationId: string };
  };
  /** Asks for a backup to be deleted that is no longer kept; refused for the one that a start would restore. */
  'request-forget': {
    command: { projectId: string; key: string; backupId: string };
    result: { operationId: string };
  };
  /**
   * Ends an operation whose time is up, unless it has ended, or the limit is no longer what it waits for. `detail` is
   * what the manager knows beyond the limit, such as that the host is silent; for people.
   */
  'expire-operation': {
    command: { projectId: string; operationId: string; code: ExpiryCode; detail?: string };
    result: { position: number };
  };
  /** States a transition of a project's freshness; refused when the project has another generation by now. */
  'state-freshness': {
    command: { projectId: string; generation: number; freshness: FreshnessChanged };
    result: { position: number };
  };
}
export type CommandName = keyof Commands & string;
