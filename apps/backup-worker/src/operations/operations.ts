import { setTimeout as pause } from 'node:timers/promises';
import {
  newId,
  type Grant,
  type OperationEndedClaim,
  type OperationKind,
  type Progress,
  type ReceivedIntent,
} from '@buckets/contracts';
import { Refused, Unanswered } from '@buckets/log';
import { ObjectStorageUnreachable } from '@buckets/object-storage';
import { Backoff, type Logger } from '@buckets/service';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { NEEDS, ProjectQueue, type Turn } from '../queue/project-queue.js';
import { AttemptFailed, type Attempt, type Ending, type Works } from './operation.js';
import type { EndingNotes } from './ending-notes.js';
import { sealEnding } from './seal-ending.js';

type WorkIntent = Extract<ReceivedIntent, { kind: OperationKind }>;

export interface OperationLimits {
  attempts: number;
  /** For a grant or a confirmation, in milliseconds. */
  askDeadlineMs: number;
}

const BETWEEN_ATTEMPTS = new Backoff({ firstMs: 1_000, maxMs: 60_000 });

/**
 * Takes intents to their end: in the order of their project, each attempt with a grant, each end with a claim. An
 * intent whose operation has ended, or that was overtaken by another assignment, does nothing.
 */
export class Operations {
  private readonly queues = new Map<string, ProjectQueue>();
  private readonly running = new Map<string, AbortController>();

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly works: Works,
    private readonly notes: EndingNotes,
    private readonly log: Logger,
    private readonly stopping: AbortSignal,
    /** Fulfilled when the host knows which projects are its own. */
    private readonly ready: Promise<void>,
    private readonly limits: OperationLimits = { attempts: 7, askDeadlineMs: 60_000 },
  ) {}

  get runningCount(): number {
    return this.running.size;
  }

  /** Of the operations whose attempts run now. */
  get runningIds(): string[] {
    return [...this.running.keys()];
  }

  /** Returns when there is nothing left to do for the intent. @throws when it has to be delivered again */
  async carryOut(intent: WorkIntent, position: number): Promise<void> {
    await this.ready;
    await this.inTurn(intent.projectId, intent.kind, (turn) => this.untilEnded(intent, position, turn));
  }

  /** Does something of the host's own with a project, in its order. */
  async inTurn<R>(projectId: string, like: keyof typeof NEEDS, work: (turn: Turn) => Promise<R>): Promise<R> {
    const queue = this.queues.get(projectId) ?? new ProjectQueue();
    this.queues.set(projectId, queue);
    try {
      return await queue.run(NEEDS[like], work);
    } finally {
      if (queue.idle) this.queues.delete(projectId);
    }
  }

  private async untilEnded(intent: WorkIntent, position: number, turn: Turn): Promise<void> {
    for (let tries = 1; ; tries++) {
      this.stopping.throwIfAborted();
      const attemptId = newId();
      const grant = await this.grant(intent, attemptId, position);
      if (grant === null) return;
      const { operationId } = intent.data;
      const noted = grant.attempt > 1 ? await this.notes.read(operationId) : undefined;
      const ending = noted ?? (await this.attempt(intent, attemptId, grant, turn, tries));
      if (ending !== null) {
        // Only of a backup can less be told afterwards than is known now.
        if (ending.backup !== undefined && noted === undefined) await this.notes.write(operationId, ending);
        await this.claim(intent, attemptId, grant, ending);
        if (ending.backup !== undefined) await this.notes.remove(operationId);
        return;
      }
      await pause(BETWEEN_ATTEMPTS.delayMs(tries), undefined, { signal: this.stopping });
    }
  }

  /** Null when there is nothing to do: the operation has ended, or the project is no longer this host's. */
  private async grant(intent: WorkIntent, attemptId: string, position: number): Promise<Grant | null> {
    const { projectId, kind, data } = intent;
    const { operationId, generation } = data;
    try {
      return await this.controlPlane.ask(
        'grant',
        { projectId, generation, operationId, kind, attemptId, position },
        { deadlineMs: this.limits.askDeadlineMs, signal: this.stopping },
      );
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.retry) throw error;
      this.log.info({ projectId, operationId, kind, code: error.code }, 'Nothing to do for an intent');
      return null;
    }
  }

  /** Null when another attempt is worth it. */
  private async attempt(
    intent: WorkIntent,
    attemptId: string,
    grant: Grant,
    turn: Turn,
    tries: number,
  ): Promise<Ending | null> {
    const { projectId, kind, data } = intent;
    const { operationId, generation } = data;
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.stopping]);
    this.running.set(operationId, abort);
    const startedAt = performance.now();
    const log = { projectId, operationId, kind, attempt: grant.attempt };
    this.log.info(log, 'An attempt begins');
    try {
      const attempt: Attempt = {
        kind,
        projectId,
        intent: data,
        attemptId,
        grant,
        turn,
        signal,
        progress: this.progressOf(projectId, operationId, grant.attempt),
        confirm: async () => {
          const body = { projectId, generation, operationId, attemptId };
          await this.controlPlane.ask('confirm', body, { deadlineMs: this.limits.askDeadlineMs, signal });
        },
      };
      const ending = await (this.works[kind] as (attempt: Attempt) => Promise<Ending>)(attempt);
      const { outcome, code } = ending;
      this.log.info({ ...log, outcome, code, ms: Math.round(performance.now() - startedAt) }, 'An attempt has ended');
      return ending;
    } catch (error) {
      // What was cut off by a stop has not failed: it is taken up again.
      this.stopping.throwIfAborted();
      return this.failed(error, tries, log);
    } finally {
      this.running.delete(operationId);
    }
  }

  private failed(error: unknown, tries: number, log: object): Ending | null {
    const failure = asFailure(error);
    const again = failure.options.retry && tries < this.limits.attempts;
    this.log.warn({ ...log, code: failure.code, error, again }, 'An attempt has failed');
    if (again) return null;
    return { outcome: 'failed', code: failure.code, reason: failure.message, ...failure.options.ending };
  }

  private async claim(intent: WorkIntent, attemptId: string, grant: Grant, ending: Ending): Promise<void> {
    const { projectId, kind, data } = intent;
    const claim: OperationEndedClaim = {
      operationId: data.operationId,
      generation: data.generation,
      kind,
      attemptId,
      ...sealEnding(ending, { projectId, dataKey: grant.dataKey }),
    };
    await this.controlPlane.claim({ type: 'operation-ended', projectId, data: claim }, this.stopping);
  }

  private progressOf(projectId: string, operationId: string, attempt: number): Attempt['progress'] {
    return (progress) => {
      const whole: Progress = { ...progress, attempt, at: Date.now() };
      this.controlPlane.progress(projectId, operationId, whole);
    };
  }
}

function asFailure(error: unknown): AttemptFailed {
  if (error instanceof AttemptFailed) return error;
  if (error instanceof Refused) return new AttemptFailed(error.code, error.message);
  const { code } = error as { code?: unknown };
  const canPass = error instanceof ObjectStorageUnreachable || error instanceof Unanswered;
  return new AttemptFailed(
    typeof code === 'string' && /^[a-z][a-z-]+$/.test(code) ? code : 'host-error',
    error instanceof Error ? error.message : 'The host could not carry it out; its log has the details.',
    { retry: canPass, cause: error },
  );
}
