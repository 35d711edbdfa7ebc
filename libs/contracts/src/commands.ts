import type { FreshnessChanged } from './events.js';

/** What a process manager asks of the control plane, on `buckets.command.<name>`: decided like any caller's command. */
export interface Commands {
  /** Asks for a backup. Repeating it with the same key is the same operation. */
  'request-backup': {
    command: { projectId: string; key: string };
    result: { operationId: string };
  };
  /** States a transition of a project's freshness; refused when the project has another generation by now. */
  'state-freshness': {
    command: { projectId: string; generation: number; freshness: FreshnessChanged };
    result: { position: number };
  };
}
export type CommandName = keyof Commands & string;
