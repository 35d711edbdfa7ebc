import type { JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { subjects } from '@buckets/contracts';

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

/** Keeps a message that cannot be read: it is never dropped in silence. Of one and the same, one is kept. */
export async function keepDeadLetter(
  js: JetStreamClient,
  { source, hostId }: { source: string; hostId?: string },
  letter: DeadLetter,
): Promise<void> {
  const { stream, position } = letter;
  const header = headers();
  header.set('Buckets-Stream', stream);
  header.set('Buckets-Position', String(position));
  header.set('Buckets-Subject', oneLine(letter.subject));
  header.set('Buckets-Reason', oneLine(letter.reason));
  const subject = subjects.deadLetter(source, hostId);
  await js.publish(subject, letter.bytes, { msgID: `${stream}-${position}`, headers: header });
}

/** Text from elsewhere, as a header can hold it. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 2000);
}
