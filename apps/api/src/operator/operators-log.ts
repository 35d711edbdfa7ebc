import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectToNats, Log, Projector } from '@buckets/log';
import { Decider } from '../decisions/decider.js';
import { KnownLog } from '../log-recovery/known-log.js';
import { TablesProjection } from '../tables/tables-projection.js';
import type { Operator } from './operator-command.js';

/** The log as an operator's command appends to it: like one more copy of the API, which may run beside others or alone. */
export class OperatorsLog implements AsyncDisposable {
  private constructor(
    readonly decider: Decider,
    private readonly parts: { known: KnownLog; projector: Projector; close: () => Promise<void> },
  ) {}

  /** @throws {LogMismatch} when the log is not the one that the tables know, with what to do */
  static async open({ settings, data, log }: Operator, name: string): Promise<OperatorsLog> {
    const { natsUrl: url, natsCredsFile: credsFile, natsReplicas: replicas, logBytes } = settings;
    const nats = await connectToNats({ url, credsFile, name: `buckets-api-${name}` });
    const jsm = await jetstreamManager(nats);
    const known = await KnownLog.open({ nats, jsm, data, limits: { replicas, logBytes }, log });
    const projector = new Projector(jetstream(nats), jsm, data, new TablesProjection(), log);
    const decider = new Decider(new Log(nats, jsm, 'buckets/api', known.certain), jsm, data, projector);
    const opened = new OperatorsLog(decider, { known, projector, close: () => nats.close() });
    try {
      await known.certain();
      await projector.start();
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { known, projector, close } = this.parts;
    await projector.stop();
    await known.close();
    await close();
  }
}
