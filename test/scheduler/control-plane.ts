import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  idFromKey,
  STREAM,
  subjects,
  type Commands,
  type FreshnessChanged,
  type LoggedEvent,
  type NewEvent,
  type OperationKind,
  type OperationRequested,
} from '@buckets/contracts';
import { until } from '../../stack/src/index.js';
import { answer, type Answering, connectToNats, Log, PositionMoved, provisionStreams } from '@buckets/log';

/** Stands in for the API: appends what a test says and what the scheduler asks for, and remembers the latter. */
export class ControlPlane {
  readonly stated: { projectId: string; freshness: FreshnessChanged }[] = [];
  readonly requested: { projectId: string; key: string }[] = [];
  readonly tidied: Commands['request-tidy']['command'][] = [];
  readonly expired: Commands['expire-operation']['command'][] = [];
  /** The kinds of the operations that it may be asked to end. */
  private readonly kinds = new Map<string, OperationKind>();
  private readonly log: Log;
  private subscription: Answering | undefined;

  private constructor(
    private readonly nats: NatsConnection,
    private readonly jsm: JetStreamManager,
  ) {
    this.log = new Log(nats, jsm, 'buckets/api');
  }

  static async start(url: string, credsFile: string): Promise<ControlPlane> {
    const nats = await connectToNats({ url, credsFile, name: 'test-api' });
    const jsm = await managerOf(nats);
    const plane = new ControlPlane(nats, jsm);
    await plane.provision();
    plane.open();
    return plane;
  }

  /** Streams that live in memory are gone when the server was. */
  async provision(): Promise<void> {
    await until(async () => {
      await provisionStreams(this.jsm);
      return true;
    });
  }

  async stop(): Promise<void> {
    await this.subscription?.drain();
    await this.nats.drain();
  }

  async endOfLog(): Promise<number> {
    return (await this.jsm.streams.info(STREAM.log)).state.last_seq;
  }

  /** What was stated of a project, one after the other. */
  statedOf(projectId: string): string[] {
    return this.stated.filter((each) => each.projectId === projectId).map(({ freshness }) => freshness.freshness);
  }

  /** Facts about a project, after those that there are. */
  async append(projectId: string, ...events: NewEvent<'project'>[]): Promise<LoggedEvent[]> {
    for (const { type, data } of events) {
      const [, kind] = /^(.*)-requested$/.exec(type) ?? [];
      if (kind !== undefined) this.kinds.set((data as OperationRequested).operationId, kind as OperationKind);
    }
    for (;;) {
      try {
        const expected = await this.lastPosition(projectId);
        return await this.log.append({ thing: 'project', id: projectId, expected, events });
      } catch (error) {
        if (!(error instanceof PositionMoved)) throw error;
      }
    }
  }

  private async lastPosition(projectId: string): Promise<number> {
    const last = await this.jsm.streams
      .getMessage(STREAM.log, { last_by_subj: subjects.eventsOf('project', projectId) })
      .catch((error: unknown) => {
        if (error instanceof JetStreamApiError) return null;
        throw error;
      });
    return last?.seq ?? 0;
  }

  private open(): void {
    const refuse = (error: unknown) => ({ code: 'failed', detail: String(error), retry: true });
    this.subscription = answer(this.nats, subjects.allCommands, { atOnce: 100, refuse }, async ({ name, body }) => {
      switch (name) {
        case 'state-freshness':
          return this.state(body as Commands['state-freshness']['command']);
        case 'request-tidy':
          return this.requestTidy(body as Commands['request-tidy']['command']);
        case 'expire-operation':
          return this.expire(body as Commands['expire-operation']['command']);
        default:
          return this.requestBackup(body as Commands['request-backup']['command']);
      }
    });
  }

  private async state({ projectId, freshness }: Commands['state-freshness']['command']): Promise<{ position: number }> {
    this.stated.push({ projectId, freshness });
    const [event] = await this.append(projectId, { thing: 'project', type: 'freshness-changed', data: freshness });
    return { position: event!.position };
  }

  private async requestBackup(command: Commands['request-backup']['command']): Promise<{ operationId: string }> {
    const { projectId, key } = command;
    const operationId = idFromKey('operation', 'scheduler', key);
    const again = this.requested.some((each) => each.key === key);
    this.requested.push(command);
    if (!again) {
      const data = { operationId, hostId: 'eu-1', generation: 1, params: {}, requestedBy: 'scheduler' };
      await this.append(projectId, { thing: 'project', type: 'backup-requested', data });
    }
    return { operationId };
  }

  private async requestTidy(command: Commands['request-tidy']['command']): Promise<{ operationId: string }> {
    const { projectId, key, graceSeconds } = command;
    const operationId = idFromKey('operation', 'scheduler', key);
    this.tidied.push(command);
    const params = { remove: true, graceSeconds };
    const data = { operationId, hostId: 'eu-1', generation: 1, params, requestedBy: 'scheduler' };
    await this.append(projectId, { thing: 'project', type: 'tidy-requested', data });
    return { operationId };
  }

  private async expire(command: Commands['expire-operation']['command']): Promise<{ position: number }> {
    const { projectId, operationId, code, detail: reason = 'Its time is up.' } = command;
    this.expired.push(command);
    const kind = this.kinds.get(operationId)!;
    const outcome = code === 'cancel-unanswered' ? 'cancelled' : 'expired';
    const ended = { thing: 'project', type: `${kind}-${outcome}`, data: { operationId, code, reason } };
    const [event] = await this.append(projectId, ended as NewEvent<'project'>);
    return { position: event!.position };
  }
}
