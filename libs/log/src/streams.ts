import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import {
  CLAIMS_CONSUMER,
  hostConsumer,
  MAX_MESSAGE_BYTES,
  newId,
  STREAM,
  subjects,
  WORK_KINDS,
} from '@buckets/contracts';

export interface StreamLimits {
  /** One on a single server, three in a cluster. */
  replicas: number;
  /** Bytes that the log may take; new facts are refused beyond. */
  logBytes: number;
}

export const DEFAULT_LIMITS: StreamLimits = { replicas: 1, logBytes: 50 * 1024 ** 3 };

/** The window in which the server itself drops a repeated message id. */
const DUPLICATE_WINDOW_MS = 10 * 60_000;

/** How long a delivery may stay without a sign of life before it is delivered again. */
export const ACK_WAIT_MS = 10_000;

const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;

type Definition = Partial<StreamConfig> & { name: string; subjects: string[] };

function definitions({ replicas, logBytes }: StreamLimits): Definition[] {
  const kept = {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    deny_delete: true,
    deny_purge: true,
    num_replicas: replicas,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    max_msg_size: MAX_MESSAGE_BYTES + 4096,
  };
  const latestOnly = {
    storage: StorageType.Memory,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_msgs_per_subject: 1,
    num_replicas: replicas,
    max_bytes: 512 * 1024 ** 2,
    max_msg_size: 64 * 1024,
    allow_direct: true,
  };
  return [
    {
      ...kept,
      name: STREAM.log,
      subjects: [subjects.allEvents, subjects.allIntents],
      max_bytes: logBytes,
      allow_atomic: true,
      allow_direct: true,
    },
    // A claim is of no use once decided. Kept any longer they would fill the stream, and new ones be refused.
    {
      ...kept,
      retention: RetentionPolicy.Workqueue,
      name: STREAM.claims,
      subjects: [subjects.allClaims],
      max_bytes: Math.floor(logBytes / 10),
    },
    {
      ...kept,
      name: STREAM.deadLetters,
      subjects: [subjects.allDeadLetters],
      max_bytes: 1024 ** 3,
      deny_delete: false,
      deny_purge: false,
    },
    { ...latestOnly, name: STREAM.activity, subjects: [subjects.allActivity] },
    { ...latestOnly, name: STREAM.progress, subjects: [subjects.allProgress], max_age: nanos(5 * 60_000) },
  ];
}

/** Makes the streams and the control plane's consumers as they should be. Idempotent: run it as often as you like. */
export async function provisionStreams(jsm: JetStreamManager, limits: StreamLimits = DEFAULT_LIMITS): Promise<void> {
  for (const wanted of definitions(limits)) await provisionStream(jsm, wanted);
  await provisionConsumer(jsm, STREAM.claims, {
    durable_name: CLAIMS_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
    max_ack_pending: 1000,
  });
}

/** Makes the two consumers of a host. No delivery limit ever drops an intent. Idempotent. */
export async function provisionHostConsumers(jsm: JetStreamManager, hostId: string): Promise<void> {
  const common = {
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
  };
  await provisionConsumer(jsm, STREAM.log, {
    ...common,
    durable_name: hostConsumer.work(hostId),
    filter_subjects: WORK_KINDS.map((kind) => subjects.intentsOf(hostId, kind)),
    max_ack_pending: 2000,
  });
  await provisionConsumer(jsm, STREAM.log, {
    ...common,
    durable_name: hostConsumer.cancel(hostId),
    filter_subject: subjects.intentsOf(hostId, 'cancel'),
    max_ack_pending: 200,
  });
}

/** Names this very log: its tables remember it, and refuse to go on with another one. */
export function logIdentity(info: StreamInfo): string {
  return info.config.metadata?.['buckets-identity'] ?? info.created;
}

async function provisionStream(jsm: JetStreamManager, wanted: Definition): Promise<void> {
  const existing = await jsm.streams.info(wanted.name).catch(orNull(STREAM_NOT_FOUND));
  if (existing === null) {
    const identity = { 'buckets-identity': newId() };
    await jsm.streams.add({ ...wanted, metadata: identity }).catch(async (error: unknown) => {
      // Another copy may have made it at the same moment, with another identity: theirs counts.
      if ((await jsm.streams.info(wanted.name).catch(orNull(STREAM_NOT_FOUND))) === null) throw error;
    });
  } else if (differs(existing.config, wanted)) {
    await jsm.streams.update(wanted.name, { ...existing.config, ...wanted });
  }
}

async function provisionConsumer(
  jsm: JetStreamManager,
  stream: string,
  wanted: Partial<ConsumerConfig> & { durable_name: string },
): Promise<void> {
  const existing = await jsm.consumers.info(stream, wanted.durable_name).catch(orNull(CONSUMER_NOT_FOUND));
  if (existing === null || differs(existing.config, wanted)) await jsm.consumers.add(stream, wanted);
}

function differs(actual: object, wanted: object): boolean {
  return Object.entries(wanted).some(
    ([key, value]) =>
      JSON.stringify((actual as Record<string, unknown>)[key] ?? null) !== JSON.stringify(value ?? null),
  );
}

function orNull(code: number): (error: unknown) => null {
  return (error) => {
    if (error instanceof JetStreamApiError && error.code === code) return null;
    throw error;
  };
}
