import { EventEmitter } from 'node:events';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { parseSubject, readProgress, STREAM, subjects, type Progress } from '@buckets/contracts';
import { LeftOut } from '@buckets/log';
import type { Logger } from '@buckets/service';

/** The latest progress of running operations. Best effort: that there is none never matters. */
export class ProgressBoard {
  private subscription: Subscription | undefined;
  private readonly changes = new EventEmitter().setMaxListeners(0);
  private readonly latest = new Map<string, Progress>();
  /** Reports that nobody can read. */
  readonly leftOut: LeftOut;

  constructor(
    private readonly nats: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly log: Logger,
  ) {
    this.leftOut = new LeftOut('Reports of progress', log);
  }

  open(): void {
    this.subscription = this.nats.subscribe(subjects.allProgress, {
      callback: (error, message) => {
        if (error === null) this.take(message.subject, message.data);
      },
    });
  }

  close(): void {
    this.subscription?.unsubscribe();
  }

  /** What is known of an operation, from memory or from the stream of latest progress. */
  async of(hostId: string, operationId: string): Promise<Progress | undefined> {
    const known = this.latest.get(`${hostId}/${operationId}`);
    if (known !== undefined) return known;
    try {
      const last = await this.jsm.streams.getMessage(STREAM.progress, {
        last_by_subj: subjects.progress(hostId, operationId),
      });
      return last === null ? undefined : readProgress(last.subject, last.data);
    } catch (error) {
      this.log.debug({ error, operationId }, 'No progress is known');
      return undefined;
    }
  }

  /** Calls back for each progress of an operation, told by its own host, until the returned function is called. */
  watch(hostId: string, operationId: string, hear: (progress: Progress) => void): () => void {
    const key = `${hostId}/${operationId}`;
    this.changes.on(key, hear);
    return () => this.changes.off(key, hear);
  }

  /** Throws nothing: that would end the connection, and with it the process. */
  private take(subject: string, bytes: Uint8Array): void {
    const parsed = parseSubject(subject);
    if (parsed?.family !== 'progress') return;
    try {
      const progress = readProgress(subject, bytes);
      const key = `${parsed.hostId}/${parsed.operationId}`;
      this.latest.delete(key);
      this.latest.set(key, progress);
      for (const oldest of this.latest.keys()) {
        if (this.latest.size <= MAX_KNOWN) break;
        this.latest.delete(oldest);
      }
      this.changes.emit(key, progress);
    } catch (error) {
      this.leftOut.note(subject, error);
    }
  }
}
const MAX_KNOWN = 10_000;
