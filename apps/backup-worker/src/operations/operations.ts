import { setTimeout as pause } from 'node:timers/promises';
import { newId, type OperationEndedClaim, type OperationKind } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { DataRootMissingError } from '../host-data/index.js';
import { NEEDS, ProjectQueue, type Turn } from '../queue/project-queue.js';
import { makeAttempt } from './attempt.js';
import type { EndingNotes } from './ending-notes.js';
import { asFailure, joined } from './failures.js';
import { Cancelled, OpenOperation, type Doing, type WorkIntent } from './open-operation.js';
import type { OperationMetrics } from './operation-metrics.js';
import { AttemptFailed, cancelled, type CutOff, type Ending, type Granted, type Works } from './operation.js';
import { tellWaiting, ToldProgress } from './told-progress.js';
import { sealEnding } from './seal-ending.js';
import { unlessAborted } from './waiting.js';

export interface OperationsOptions {
  /** Names this run of the worker. */
  workerId: string;
  stopping: AbortSignal;
  /** Fulfilled when the host knows which projects are its own, and their data root is here; asked before each attempt. */
  ready: () => Promise<void>;
  /** Why the data root was away at some time since a moment of `performance.now()`; undefined where it was not. */
  dataRootAwaySince: (moment: number) => Promise<string | undefined>;
  /** Attempts in a row that this worker makes; default 7. */
  attempts?: number;
  /** For a grant or a confirmation, in milliseconds; default a minute. */
  askDeadlineMs?: number;
  betweenAttempts?: Backoff;
}

/**
 * Takes intents to their end: in the order of their project, each attempt with a grant, each end with one claim. An
 * intent whose operation has ended, or that was overtaken by another assignment, does nothing. A cancel reaches an
 * operation wherever it is, from the moment its intent was taken.
 */
export class Operations {
  private readonly queues = new Map<string, ProjectQueue>();
  private readonly open = new Map<string, OpenOperation>();
  private readonly attempts: number;
  private readonly betweenAttempts: Backoff;

  constructor(
    private readonly controlPlane: Pick<ControlPlane, 'ask' | 'claim' | 'progress'>,
    private readonly works: Works,
    private readonly notes: Pick<EndingNotes, 'read' | 'write' | 'remove'>,
    private readonly metrics: Pick<OperationMetrics, 'attemptEnded' | 'attemptFailed'>,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    private readonly options: OperationsOptions,
  ) {
    this.attempts = options.attempts ?? 7;
    this.betweenAttempts = options.betweenAttempts ?? new Backoff({ firstMs: 1_000, maxMs: 60_000 });
  }

  /** How many operations do what. */
  get doing(): Record<Doing, number> {
    const count = { 'waiting-for-turn': 0, 'waiting-for-room': 0, 'waiting-for-retry': 0, running: 0 };
    for (const { doing } of this.open.values()) count[doing] += 1;
    return count;
  }

  /** Whether the operation is in hand here, be it that it waits. */
  isOpen(operationId: string): boolean {
    return this.open.has(operationId);
  }

  /** Of the operations in hand. */
  get openIds(): string[] {
    return [...this.open.keys()];
  }

  /** Nothing is in use: for tests. */
  get idle(): boolean {
    return this.open.size === 0 && this.queues.size === 0;
  }

  /** Ends what the operation does here, wherever it is; the claim follows. Of one that is not in hand there is nothing to end. */
  cancel(operationId: string): void {
    const operation = this.open.get(operationId);
    if (operation === undefined || operation.isCancelled) return;
    this.log.info({ ...operation.about, doing: operation.doing }, 'An operation is cancelled');
    operation.cancel();
  }

  /**
   * Returns when there is nothing left to do for the intent.
   *
   * @param redelivered whether the intent was handed out before: an earlier run of the worker may have begun with it
   * @throws when it has to be delivered again
   */
  async carryOut(intent: WorkIntent, position: number, redelivered = false): Promise<void> {
    const operation = new OpenOperation(intent, position);
    this.open.set(operation.id, operation);
    try {
      await this.inTurn(operation, redelivered, (turn) => this.untilEnded(operation, turn));
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
      // It has left the queue without a turn. Nothing was done for it, and nothing is: no grant, no look at what is left.
      await this.claim(operation, { attemptId: newId(), dataKey: '' }, cancelled());
    } finally {
      this.open.delete(operation.id);
    }
  }

  /**
   * What an earlier run may have left of an operation is looked at in its turn, cancelled or not.
   *
   * @throws {Cancelled} when it is cancelled before its turn has come, and has left nothing
   */
  private async inTurn(
    { intent, signal }: OpenOperation,
    redelivered: boolean,
    work: (turn: Turn) => Promise<void>,
  ): Promise<void> {
    const { projectId, kind } = intent;
    const { stopping } = this.options;
    const queue = this.queues.get(projectId) ?? new ProjectQueue();
    this.queues.set(projectId, queue);
    try {
      await queue.run(NEEDS[kind], work, redelivered ? stopping : AbortSignal.any([signal, stopping]));
    } finally {
      if (queue.idle && this.queues.get(projectId) === queue) this.queues.delete(projectId);
    }
  }

  private async untilEnded(operation: OpenOperation, turn: Turn): Promise<void> {
    let previousFailure: string | undefined;
    for (let tries = 1; ; tries++) {
      await unlessAborted(this.options.stopping, this.options.ready());
      operation.doing = 'running';
      const granted = await this.grant(operation, previousFailure);
      if (granted === null) return this.forgetNote(operation);
      if (granted.grant.cancelRequested) this.cancel(operation.id);
      const noted = granted.grant.attempt > 1 ? await this.notes.read(operation.id) : undefined;
      const ending = noted ?? (await this.endingOf(operation, granted, turn, tries));
      if (ending instanceof AttemptFailed) {
        previousFailure = ending.code;
        continue;
      }
      // Only of a backup can less be told afterwards than is known now.
      if (ending.backup !== undefined && noted === undefined) await this.note(operation, ending);
      await this.claim(operation, { attemptId: granted.attemptId, dataKey: granted.grant.dataKey }, ending);
      if (ending.backup !== undefined) await this.forgetNote(operation);
      return;
    }
  }

  /** A note is a precaution: that it cannot be written, or removed, changes nothing of a backup that stands. */
  private async note(operation: OpenOperation, ending: Ending): Promise<void> {
    await this.notes.write(operation.id, ending).catch((error: unknown) => {
      this.log.warn({ ...operation.about, error }, 'What an operation has come to is not noted, only claimed');
    });
  }

  private async forgetNote(operation: OpenOperation): Promise<void> {
    await this.notes.remove(operation.id).catch((error: unknown) => {
      this.log.warn({ ...operation.about, error }, 'The note of an operation that has ended is removed later');
    });
  }

  /** Null when there is nothing to do: the operation has ended, or the project is no longer this host's. */
  private async grant(operation: OpenOperation, previousFailure: string | undefined): Promise<Granted | null> {
    const { intent, position } = operation;
    const { projectId, kind, data } = intent;
    const { operationId, generation } = data;
    const { workerId, stopping: signal, askDeadlineMs: deadlineMs = 60_000 } = this.options;
    const attemptId = newId();
    const body = { projectId, generation, operationId, kind, attemptId, workerId, position };
    try {
      const ask = { ...body, ...(previousFailure === undefined ? {} : { previousFailure }) };
      return { attemptId, grant: await this.controlPlane.ask('grant', ask, { deadlineMs, signal }) };
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.retry) throw error;
      this.log.info({ ...operation.about, code: error.code }, 'Nothing to do for an intent');
      return null;
    }
  }

  /** How the operation ends; or the failure after which, the pause being over, another attempt is worth it. */
  private async endingOf(
    operation: OpenOperation,
    granted: Granted,
    turn: Turn,
    tries: number,
  ): Promise<Ending | AttemptFailed> {
    const { attempt, cancelRequested } = granted.grant;
    // Cancelled between the grant and the work, the first that it ever had.
    if (operation.isCancelled && attempt === 1 && tries === 1 && !cancelRequested) return cancelled();
    let failure: AttemptFailed | undefined;
    if (!operation.isCancelled) {
      const came = await this.attempt(operation, granted, turn);
      // Whatever came to its end has come to it: a cancel was too late.
      if (!(came instanceof AttemptFailed)) return came;
      failure = came;
      const { retry, halfDone } = failure.options;
      if (halfDone || (!operation.isCancelled && (!retry || tries >= this.attempts))) {
        return failedEnding(failure);
      }
      if (!operation.isCancelled) {
        await this.pauseBeforeRetry(operation, granted, tries);
        if (!operation.isCancelled) return failure;
      }
    }
    return this.cutOff(operation, granted, failure);
  }

  private async attempt(operation: OpenOperation, granted: Granted, turn: Turn): Promise<Ending | AttemptFailed> {
    const { kind } = operation.intent;
    const { controlPlane, options } = this;
    using made = makeAttempt(operation, granted, turn, controlPlane, options);
    const startedAt = performance.now();
    const log = { ...operation.about, attempt: granted.grant.attempt };
    this.log.info(log, 'An attempt begins');
    try {
      const ending = await (this.works[kind].work as (attempt: typeof made.attempt) => Promise<Ending>)(made.attempt);
      const { outcome, code } = ending;
      this.metrics.attemptEnded(kind, outcome);
      if (outcome === 'failed') this.metrics.attemptFailed(kind, code ?? 'other');
      this.log.info({ ...log, outcome, code, ms: Math.round(performance.now() - startedAt) }, 'An attempt has ended');
      return ending;
    } catch (error) {
      // What was cut off by a stop has not failed: it is taken up again.
      options.stopping.throwIfAborted();
      const failure = await this.unlessAway(made.failureOf(error), startedAt);
      const { code } = failure;
      const isCut = operation.isCancelled && failure.options.halfDone !== true;
      this.metrics.attemptEnded(kind, isCut ? 'cancelled' : 'failed');
      if (!isCut) this.metrics.attemptFailed(kind, code);
      this.log[isCut ? 'info' : 'warn'](
        { ...log, code, error },
        isCut ? 'An attempt was cut off' : 'An attempt has failed',
      );
      return failure;
    }
  }

  /**
   * What fails for good, or for no reason that is known, while the data root is away says nothing of the project: it is tried
   * again when that is back.
   */
  private async unlessAway(failure: AttemptFailed, since: number): Promise<AttemptFailed> {
    const { retry, halfDone } = failure.options;
    const isOther = halfDone || (retry && failure.code !== 'unknown');
    const why = isOther ? undefined : await this.options.dataRootAwaySince(since);
    if (why === undefined) return failure;
    const { code } = new DataRootMissingError(why);
    return new AttemptFailed(code, why, { ...failure.options, retry: true, cause: failure });
  }

  private async pauseBeforeRetry(operation: OpenOperation, { grant }: Granted, tries: number): Promise<void> {
    operation.doing = 'waiting-for-retry';
    using told = new ToldProgress(this.controlPlane, operation, grant.attempt);
    using _waiting = tellWaiting(told);
    const signal = AbortSignal.any([operation.signal, this.options.stopping]);
    await pause(this.betweenAttempts.delayMs(tries), undefined, { signal }).catch((error: unknown) => {
      this.options.stopping.throwIfAborted();
      if (!operation.isCancelled) throw error;
    });
  }

  /** What a cancelled operation came to, and what is left of it. */
  private async cutOff(operation: OpenOperation, { grant }: Granted, failure?: AttemptFailed): Promise<Ending> {
    operation.doing = 'running';
    const { kind, projectId, data: intent } = operation.intent;
    const ending = await (this.works[kind].cutOff as (cut: CutOff<OperationKind>) => Promise<Ending>)({
      projectId,
      intent,
      grant,
      signal: this.options.stopping,
    }).catch((error: unknown) => {
      this.options.stopping.throwIfAborted();
      // It may be half in place, which shows when the data root is back: the intent comes again.
      if (error instanceof DataRootMissingError) throw error;
      this.log.warn({ ...operation.about, error }, 'What a cancelled operation has left cannot be looked at');
      const found = asFailure(error);
      if (found.options.halfDone) return failedEnding(found);
      return cancelled('What it had come to could not be looked at; the host tidies up later.');
    });
    const { outcome, code, left } = ending;
    this.log.info({ ...operation.about, outcome, code, left }, 'A cancelled operation has ended');
    return joined(failure?.options.ending ?? {}, ending);
  }

  private async claim(
    operation: OpenOperation,
    { attemptId, dataKey }: { attemptId: string; dataKey: string },
    ending: Ending,
  ): Promise<void> {
    const { projectId, kind, data } = operation.intent;
    const claim: OperationEndedClaim = {
      operationId: data.operationId,
      generation: data.generation,
      kind,
      attemptId,
      ...sealEnding(ending, { projectId, dataKey }),
    };
    await this.controlPlane.claim({ type: 'operation-ended', projectId, data: claim }, this.options.stopping);
  }
}

function failedEnding({ code, message, options }: AttemptFailed): Ending {
  return { ...options.ending, outcome: 'failed', code, reason: message };
}
