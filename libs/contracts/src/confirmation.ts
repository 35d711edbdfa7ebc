import { decode, encode, envelope, readData, UnreadableMessage } from './envelope.js';
import { Count, Id, NestedList, Optional } from './shape.js';
import { parseSubject, subjects } from './subjects.js';

/** Projects that one confirmation leaves out at most; where there are more, it holds for none of them later. */
export const MAX_UNSTATED = 200;

/** A project of which something is known that is not stated yet. */
export class UnstatedProject {
  @Id() projectId!: string;
  /** For how long, in milliseconds; absent where nobody knows. */
  @Optional() @Count() ms?: number;
}

/**
 * How far what is stated of projects' freshness holds: told by the scheduler over and over, for the projects of one host, or
 * for what rests on the log alone. Never a fact, and the latest one counts. All it says is how long before it was sent
 * something was so: no clock has to be right for that.
 */
export class FreshnessConfirmation {
  /** Who shows what was stated must have read the log up to here. */
  @Count() position!: number;
  /** How long ago all was stated that the log, and the host, had told until then; in milliseconds. */
  @Count() agoMs!: number;
  /** How long ago the first of the looks began on which the freshness of unwatched projects rests; absent without such. */
  @Optional() @Count() lookedMs?: number;
  @NestedList(UnstatedProject, MAX_UNSTATED) unstated!: UnstatedProject[];
}

/** `hostId` is `NO_HOST` for what rests on the log alone. */
export interface NewConfirmation {
  hostId: string;
  data: FreshnessConfirmation;
}

const TYPE = 'buckets.confirmation.v1';

/** The message to publish. `source` names the service, as `buckets/<service>`. */
export function writeConfirmation(
  { hostId, data }: NewConfirmation,
  source: string,
): { subject: string; bytes: Uint8Array } {
  return {
    subject: subjects.confirmation(hostId),
    bytes: encode(envelope({ source, type: TYPE, subject: `host/${hostId}` }, data)),
  };
}

/** @throws {UnreadableMessage} */
export function readConfirmation(subject: string, bytes: Uint8Array): NewConfirmation {
  const parsed = parseSubject(subject);
  if (parsed?.family !== 'confirmation') {
    throw new UnreadableMessage('its subject is not that of a confirmation', subject);
  }
  const message = decode(subject, bytes);
  if (message.type !== TYPE) throw new UnreadableMessage(`the confirmation ${message.type} is not known here`, subject);
  if (message.subject !== `host/${parsed.hostId}`) {
    throw new UnreadableMessage('its envelope is about something else than its subject', subject);
  }
  return { hostId: parsed.hostId, data: readData(FreshnessConfirmation, message.data, subject) };
}
