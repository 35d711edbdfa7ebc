import type { JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { newMessageId, subjects } from '@buckets/contracts';

/** A message that nobody could read, kept whole beside where it came from and why. */
export interface DeadLetter {
  /** The stream it was read from. */
  stream: string;
  /** Its sequence there. */
  position: number;
  subject: string;
  reason: string;
  bytes: Uint8Array;
}

/** Keeps a message that cannot be read: it is never dropped in silence. */
export async function keepDeadLetter(js: JetStreamClient, source: string, letter: DeadLetter): Promise<void> {
  const header = headers();
  header.set('Buckets-Stream', letter.stream);
  header.set('Buckets-Position', String(letter.position));
  header.set('Buckets-Subject', letter.subject);
  header.set('Buckets-Reason', letter.reason.replaceAll(/[\r\n]+/g, ' ').slice(0, 2000));
  await js.publish(subjects.deadLetter(source), letter.bytes, { msgID: newMessageId(), headers: header });
}
