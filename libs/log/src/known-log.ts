import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { STREAM } from '@buckets/contracts';
import { LogMismatch } from './errors.js';
import { hashOf, type StoredPosition } from './position.js';
import { logIdentity, streamInfo } from './streams.js';

/**
 * The log, if it is the one that tables know: the one place where both are compared. Tables at position 0 know none.
 *
 * @param tables what they are called
 * @param known how far they have come in which log; null when they are not there yet
 * @returns null when there is no log, and the tables know none
 * @throws {LogMismatch} when it is gone, another one, or an older copy of the one that they were made from
 */
export async function knownLog(
  jsm: JetStreamManager,
  tables: string,
  known: StoredPosition | null,
): Promise<StreamInfo | null> {
  const info = await streamInfo(jsm, STREAM.log);
  if (known === null || known.position === 0) return info;
  const { position, identity, hash } = known;
  if (info === null) {
    throw new LogMismatch(tables, 'missing', `they are at position ${position}, and there is no stream ${STREAM.log}`);
  }
  if (logIdentity(info) !== identity) throw new LogMismatch(tables, 'another', 'it is another log');
  if (info.state.last_seq < position) {
    const reason = `they are at position ${position}, and the log ends at ${info.state.last_seq}`;
    throw new LogMismatch(tables, 'older', reason);
  }
  const message = await jsm.streams.getMessage(STREAM.log, { seq: position });
  if (message === null || hashOf({ subject: message.subject, bytes: message.data }) !== hash) {
    throw new LogMismatch(tables, 'another', `the message at position ${position} is another one`);
  }
  return info;
}
