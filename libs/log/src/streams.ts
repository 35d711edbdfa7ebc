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

/** In the metadata of a stream. */
const IDENTITY = 'buckets-identity';

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
      // Whatever another stream takes fits, with what is said of it in headers.
      max_msg_size: MAX_MESSAGE_BYTES + 16 * 1024,
      subjects: [subjects.allDeadLetters],
      max_bytes: 1024 ** 3,
      deny_delete: false,
      deny_purge: false,
    },
    { ...latestOnly, name: STREAM.activity, subjects: [subjects.allActivity, subjects.allConfirmations] },
    { ...latestOnly, name: STREAM.progress, subjects: [subjects.allProgress], max_age: nanos(5 * 60_000) },
  ];
}

/**
 * Makes the streams and the control plane's consumers as they should be. Idempotent: run it as often as you like, but
 * not before `knownLog` has been asked: a log that is missing is made, and an empty one is no log that tables know.
 *
 * @param identity of a log that has to be made; default a new one
 */
export async function provisionStreams(
  jsm: JetStreamManager,
  limits: StreamLimits = DEFAULT_LIMITS,
  identity: string = newId(),
): Promise<void> {
  for (const wanted of definitions(limits)) await provisionStream(jsm, wanted, identity);
  await provisionConsumer(jsm, STREAM.claims, {
    durable_name: CLAIMS_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
    max_ack_pending: 1000,
  });
}

/** Where the queues of a host that have to be made begin. */
export interface QueueStart {
  /** The position of the first message that matters; default the first. Asked for when a queue is missing. */
  from?: () => Promise<number>;
  /** Makes those anew that exist: what they have handed out comes again. */
  anew?: boolean;
}

/**
 * Makes the two consumers of a host. No delivery limit ever drops an intent. Idempotent: those that exist go on where
 * they are.
 */
export async function provisionHostConsumers(
  jsm: JetStreamManager,
  hostId: string,
  { from, anew = false }: QueueStart = {},
): Promise<void> {
  for (const wanted of hostQueues(hostId)) {
    if (anew) await jsm.consumers.delete(STREAM.log, wanted.durable_name).catch(orNull(CONSUMER_NOT_FOUND));
    await provisionConsumer(jsm, STREAM.log, wanted, from);
  }
}

/** The hosts, of those that are asked about, that lack a queue or have one that is not as it should be. */
export async function hostsToProvision(jsm: JetStreamManager, hostIds: Iterable<string>): Promise<string[]> {
  const existing = new Map<string, ConsumerConfig>();
  for await (const { name, config } of jsm.consumers.list(STREAM.log)) existing.set(name, config);
  const isFine = (wanted: Durable): boolean => {
    const config = existing.get(wanted.durable_name);
    return config !== undefined && !differs(config, wanted);
  };
  return [...hostIds].filter((hostId) => !hostQueues(hostId).every(isFine));
}

type Durable = Partial<ConsumerConfig> & { durable_name: string };

function hostQueues(hostId: string): Durable[] {
  const common = {
    ack_policy: AckPolicy.Explicit,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
  };
  return [
    {
      ...common,
      durable_name: hostConsumer.work(hostId),
      filter_subjects: WORK_KINDS.map((kind) => subjects.intentsOf(hostId, kind)),
      max_ack_pending: 2000,
    },
    {
      ...common,
      durable_name: hostConsumer.cancel(hostId),
      filter_subject: subjects.intentsOf(hostId, 'cancel'),
      max_ack_pending: 200,
    },
  ];
}

/** Names this very log: its tables remember it, and refuse to go on with another one. */
export function logIdentity(info: Pick<StreamInfo, 'config' | 'created'>): string {
  return info.config.metadata?.[IDENTITY] ?? info.created;
}

/** Gives a log that is empty the identity of another one. */
export async function identify(
  jsm: JetStreamManager,
  { config }: Pick<StreamInfo, 'config'>,
  identity: string,
): Promise<void> {
  await jsm.streams.update(STREAM.log, { ...config, metadata: { ...config.metadata, [IDENTITY]: identity } });
}

/** Whether NATS has answered that there is no such stream. */
export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}

/** Null when there is no such stream. */
export async function streamInfo(jsm: JetStreamManager, name: string): Promise<StreamInfo | null> {
  return jsm.streams.info(name).catch(orNull(STREAM_NOT_FOUND));
}

async function provisionStream(jsm: JetStreamManager, wanted: Definition, identity: string): Promise<void> {
  const existing = await streamInfo(jsm, wanted.name);
  if (existing === null) {
    const metadata = { [IDENTITY]: wanted.name === STREAM.log ? identity : newId() };
    await jsm.streams.add({ ...wanted, metadata }).catch(async (error: unknown) => {
      // Another copy may have made it at the same moment, with another identity: theirs counts.
      if ((await streamInfo(jsm, wanted.name)) === null) throw error;
    });
  } else if (differs(existing.config, wanted)) {
    await jsm.streams.update(wanted.name, { ...existing.config, ...wanted });
  }
}

/** Where a consumer begins is said when it is made, and cannot be said again. */
async function provisionConsumer(
  jsm: JetStreamManager,
  stream: string,
  wanted: Durable,
  from?: () => Promise<number>,
): Promise<void> {
  const existing = await jsm.consumers.info(stream, wanted.durable_name).catch(orNull(CONSUMER_NOT_FOUND));
  if (existing === null) await jsm.consumers.add(stream, { ...wanted, ...(await beginning(from)) });
  else if (differs(existing.config, wanted)) await jsm.consumers.update(stream, wanted.durable_name, wanted);
}

async function beginning(from?: () => Promise<number>): Promise<Partial<ConsumerConfig>> {
  if (from === undefined) return { deliver_policy: DeliverPolicy.All };
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: await from() };
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
