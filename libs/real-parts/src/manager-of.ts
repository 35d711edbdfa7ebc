import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { patient } from '@buckets/patience';

const ANSWER_MS = 5_000;

/** The manager of a connection's JetStream, whose answers may take as long as the machine needs. */
export function managerOf(nats: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(nats, { timeout: patient(ANSWER_MS), checkAPI: false });
}
