import type { ClassConstructor } from 'class-transformer';
import {
  faultInJson,
  holdsUnstorableText,
  MAX_MESSAGE_BYTES,
  mayBeUnstorable,
  readJson,
  UnreadableJson,
} from './bounded-json.js';
import { faultIn } from './check-data.js';
import { newMessageId } from './ids.js';
import { isMoment } from './shape.js';

/** Entries of a list in a message; the rest is where the message says. */
export const MAX_LISTED = 100;

/** A CloudEvents 1.0 envelope in structured JSON. `type` is versioned; `subject` repeats who it is about. */
export interface Envelope<Data = unknown> {
  specversion: '1.0';
  /** 128 random bits, hexadecimal; also the message's id on the server. */
  id: string;
  /** The service that stated it, as `buckets/<service>`. */
  source: string;
  /** `buckets.<family>.…​.v<version>` */
  type: string;
  /** The tokens of the NATS subject that say who and what, joined by `/`. */
  subject: string;
  /** RFC 3339, UTC. */
  time: string;
  datacontenttype: 'application/json';
  /** The operation that this belongs to, if any. */
  operationid?: string;
  /** The id of the message that this follows from, if any. */
  causationid?: string;
  data: Data;
}

/** A message that cannot be read. It goes to the dead letters, never away. */
export class UnreadableMessage extends Error {
  readonly code = 'unreadable-message';
  readonly needsOperator = true;
  constructor(
    readonly reason: string,
    readonly subject: string,
  ) {
    super(`A message on ${subject} cannot be read: ${reason}. Inspect it among the dead letters.`);
    this.name = 'UnreadableMessage';
  }
}

export interface EnvelopeFields {
  source: string;
  type: string;
  subject: string;
  operationId?: string;
  causationId?: string;
  id?: string;
  time?: Date;
}

export function envelope<Data>(fields: EnvelopeFields, data: Data): Envelope<Data> {
  return {
    specversion: '1.0',
    id: fields.id ?? newMessageId(),
    source: fields.source,
    type: fields.type,
    subject: fields.subject,
    time: (fields.time ?? new Date()).toISOString(),
    datacontenttype: 'application/json',
    ...(fields.operationId === undefined ? {} : { operationid: fields.operationId }),
    ...(fields.causationId === undefined ? {} : { causationid: fields.causationId }),
    data,
  };
}

/** A message over the limits, which no stream takes and nobody reads. */
export class MessageTooLarge extends RangeError {
  readonly code = 'message-too-large';
  constructor(
    readonly type: string,
    readonly size: number,
  ) {
    super(
      `A ${type} of ${size} bytes is over the limit of ${MAX_MESSAGE_BYTES}, or has too many parts. Say less at once.`,
    );
    this.name = 'MessageTooLarge';
  }
}

/** A text with a character that databases cannot keep: NUL, or half of a surrogate pair. */
export class UnstorableText extends TypeError {
  readonly code = 'unstorable-text';
  constructor(readonly type: string) {
    super('A text holds a NUL character or half of a surrogate pair. Send it without.');
    this.name = 'UnstorableText';
  }
}

/** Nothing is written that could not be read. @throws {MessageTooLarge} over 256 KiB {UnstorableText} */
export function encode(message: Envelope): Uint8Array {
  const text = JSON.stringify(message);
  if (mayBeUnstorable(text) && holdsUnstorableText(message)) throw new UnstorableText(message.type);
  const bytes = Buffer.from(text);
  if (faultInJson(bytes) !== null) throw new MessageTooLarge(message.type, bytes.length);
  return bytes;
}

/** Reads an envelope and checks its shape; the data is checked by {@link readData}. @throws {UnreadableMessage} */
export function decode(natsSubject: string, bytes: Uint8Array): Envelope {
  const value = jsonIn(bytes, natsSubject);
  if (!isEnvelope(value)) throw new UnreadableMessage('it is not a CloudEvents 1.0 envelope', natsSubject);
  return value;
}

/** The data, checked against its class. @throws {UnreadableMessage} naming the first field that is wrong */
export function readData<Data extends object>(type: ClassConstructor<Data>, data: unknown, natsSubject: string): Data {
  const fault = faultIn(type, data);
  if (fault !== null) throw new UnreadableMessage(fault, natsSubject);
  return data as Data;
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== 'object' || value === null) return false;
  const candidate = value as Record<string, unknown>;
  return (
    candidate['specversion'] === '1.0' &&
    ['id', 'source', 'type', 'subject'].every((field) => isShortText(candidate[field])) &&
    ['operationid', 'causationid'].every((field) => candidate[field] === undefined || isShortText(candidate[field])) &&
    isMoment(candidate['time']) &&
    'data' in candidate
  );
}

function isShortText(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 500;
}

function jsonIn(bytes: Uint8Array, natsSubject: string): unknown {
  try {
    return readJson(bytes);
  } catch (error) {
    if (!(error instanceof UnreadableJson)) throw error;
    throw new UnreadableMessage(error.reason, natsSubject);
  }
}
