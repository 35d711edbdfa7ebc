import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  claimTypeName,
  encode,
  envelope,
  newMessageId,
  subjects,
  writeActivity,
  type Asks,
  type AskName,
  type NewActivity,
  type NewClaim,
  type Progress,
} from '@buckets/contracts';
import { ask, Refused, Unanswered } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { Logger } from '@buckets/service';

const ASK_TIMEOUT_MS = 5_000;
const BETWEEN_TRIES = new Backoff({ firstMs: 200, maxMs: 10_000 });

/** The worker's word to the control plane, and its answers. Everything goes by way of this host's own subjects. */
export class ControlPlane {
  private readonly js: JetStreamClient;

  constructor(
    private readonly nats: NatsConnection,
    private readonly hostId: string,
    private readonly log: Logger,
  ) {
    this.js = jetstream(nats, { apiPrefix: 'CP.API' });
  }

  /**
   * Asks until there is an answer, or until `deadlineMs` milliseconds have passed.
   *
   * @throws {Refused} a no that asking again does not change
   * @throws {Unanswered} when nobody answered in time
   */
  async ask<N extends AskName>(
    name: N,
    body: Asks[N]['ask'],
    { deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal },
  ): Promise<Asks[N]['answer']> {
    const deadline = performance.now() + deadlineMs;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await this.askOnce(name, body);
      } catch (error) {
        const passing = error instanceof Unanswered || (error instanceof Refused && error.refusal.retry);
        const delay = BETWEEN_TRIES.delayMs(attempt);
        if (!passing || performance.now() + delay > deadline) throw error;
        this.log.warn({ error: String(error), ask: name }, 'The control plane has not answered; asking again');
        await pause(delay, undefined, { signal });
      }
    }
  }

  /** An answer that waited here while this very process stood still says nothing of how things are now. */
  private async askOnce<N extends AskName>(name: N, body: Asks[N]['ask']): Promise<Asks[N]['answer']> {
    const subject = subjects.ask(this.hostId, name);
    const askedAt = performance.now();
    const answer = await ask<Asks[N]['answer']>(this.nats, subject, body, ASK_TIMEOUT_MS);
    if (performance.now() - askedAt <= 2 * ASK_TIMEOUT_MS) return answer;
    throw new Unanswered(subject, new Error('The answer was too old.'));
  }

  /** States a claim; returns when it is stored. Tries again, with the same id, until then or until the signal. */
  async claim({ type, projectId, data }: Omit<NewClaim, 'hostId'>, signal: AbortSignal): Promise<void> {
    const message = envelope(
      {
        id: newMessageId(),
        source: SOURCE,
        type: claimTypeName(type),
        subject: `host/${this.hostId}/project/${projectId}`,
        ...('operationId' in data ? { operationId: data.operationId } : {}),
      },
      data,
    );
    const bytes = encode(message);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.js.publish(subjects.claim(this.hostId, projectId, type), bytes, { msgID: message.id });
        return;
      } catch (error) {
        this.log.warn({ error: String(error), type, projectId }, 'A claim is not stored yet; trying again');
        await pause(BETWEEN_TRIES.delayMs(attempt), undefined, { signal });
      }
    }
  }

  /** Best effort: whoever misses it asks for the operation. */
  progress(projectId: string, operationId: string, progress: Progress): void {
    if (this.nats.isClosed()) return;
    const subject = `host/${this.hostId}/project/${projectId}`;
    const message = envelope({ source: SOURCE, type: 'buckets.progress.v1', subject, operationId }, progress);
    this.nats.publish(subjects.progress(this.hostId, operationId), encode(message));
  }

  /** What the host tells over and over: the latest one counts, and a lost one is repeated. */
  activity(activity: Told): void {
    if (this.nats.isClosed()) return;
    const { subject, bytes } = writeActivity({ ...activity, hostId: this.hostId } as NewActivity, SOURCE);
    this.nats.publish(subject, bytes);
  }
}

const SOURCE = 'buckets/backup-worker';
type Told = NewActivity extends infer A ? (A extends NewActivity ? Omit<A, 'hostId'> : never) : never;
