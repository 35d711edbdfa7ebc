import type { NatsConnection } from '@nats-io/transport-node';
import { subjects, writeActivity, type ChangeReport } from '@buckets/contracts';
import { answer, connectToNats } from '@buckets/log';

const BEAT_MS = 200;

/** Stands in for a host's worker: it beats, and reports what a test tells it to. */
export class Worker {
  asked = 0;
  private incarnation = 'first';
  private beating: NodeJS.Timeout | undefined;

  private constructor(
    private readonly nats: NatsConnection,
    readonly hostId: string,
  ) {
    const refuse = (error: unknown) => ({ code: 'failed', detail: String(error), retry: false });
    answer(nats, subjects.request(hostId, 'report'), { atOnce: 1, refuse }, () => Promise.resolve(void this.asked++));
  }

  static async start(url: string, credsFile: string, hostId: string): Promise<Worker> {
    const nats = await connectToNats({ url, credsFile, name: hostId, inboxPrefix: `_INBOX.host-${hostId}` });
    const worker = new Worker(nats, hostId);
    worker.live();
    return worker;
  }

  live(): void {
    this.beating ??= setInterval(() => this.beat(), BEAT_MS);
  }

  fallSilent(): void {
    clearInterval(this.beating);
    this.beating = undefined;
  }

  restart(incarnation: string): void {
    this.incarnation = incarnation;
  }

  async stop(): Promise<void> {
    this.fallSilent();
    await this.nats.drain();
  }

  report(projectId: string, epoch: string, n: number, more: Partial<ChangeReport> = {}): void {
    const now = Date.now();
    const data = {
      incarnation: this.incarnation,
      counter: { generation: 1, epoch, n },
      sameAs: [],
      firstChanges: [],
      epochBeganAt: now,
      watched: true,
      running: false,
      at: now,
      ...more,
    };
    this.send(writeActivity({ name: 'project', hostId: this.hostId, projectId, data }, 'buckets/backup-worker'));
  }

  private beat(): void {
    const data = {
      at: Date.now(),
      version: '0',
      incarnation: this.incarnation,
      projects: 1,
      runningOperations: 0,
      freeBytes: 1,
    };
    this.send(writeActivity({ name: 'host', hostId: this.hostId, data }, 'buckets/backup-worker'));
  }

  private send({ subject, bytes }: { subject: string; bytes: Uint8Array }): void {
    this.nats.publish(subject, bytes);
  }
}
