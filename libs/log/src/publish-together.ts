import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { newMessageId } from '@buckets/contracts';

export interface Publishable {
  subject: string;
  bytes: Uint8Array;
  header: MsgHdrs;
}

/** What JetStream answers to the last message. */
export interface PublishReply {
  seq?: number;
  duplicate?: boolean;
  error?: { code: number; err_code: number; description: string };
}

/** Of the server's errors.json. */
export const REFUSED = {
  wrongLastSequence: 10071,
  wrongLastSequenceUnknown: 10164,
  duplicateInBatch: 10201,
  /** The account's limit, the server's memory, its disk, the stream's own limit. */
  full: [10002, 10023, 10047, 10077],
} as const;

/**
 * Publishes messages, 1,000 at most, as one atomic batch: they are stored together or not at all. A single one needs
 * no batch.
 *
 * @throws what NATS throws when there is no answer within `timeoutMs` milliseconds; the outcome is unknown then
 */
export async function publishTogether(
  nats: NatsConnection,
  messages: readonly Publishable[],
  timeoutMs: number,
): Promise<PublishReply> {
  const last = messages.at(-1);
  if (last === undefined) throw new RangeError('There is nothing to publish.');
  if (messages.length > 1) {
    const batchId = newMessageId();
    for (const [index, { header }] of messages.entries()) {
      header.set('Nats-Batch-Id', batchId);
      header.set('Nats-Batch-Sequence', String(index + 1));
      // Of an earlier try in another company.
      header.delete('Nats-Batch-Commit');
    }
    last.header.set('Nats-Batch-Commit', '1');
  }
  for (const { subject, bytes, header } of messages.slice(0, -1)) nats.publish(subject, bytes, { headers: header });
  const reply = await nats.request(last.subject, last.bytes, { headers: last.header, timeout: timeoutMs });
  return reply.json<PublishReply>();
}
