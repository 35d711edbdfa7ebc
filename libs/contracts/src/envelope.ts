import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { newMessageId } from './ids.js';

/** Bytes of one message, all in. A list carries its first 100 entries and says where the rest is. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
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

/** @throws {RangeError} over 256 KiB */
export function encode(message: Envelope): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(message));
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new RangeError(`A ${message.type} of ${bytes.length} bytes is over the limit of ${MAX_MESSAGE_BYTES}.`);
  }
  return bytes;
}

/** Reads an envelope and checks its shape; the data is checked by {@link readData}. @throws {UnreadableMessage} */
export function decode(natsSubject: string, bytes: Uint8Array): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    throw new UnreadableMessage('it is not JSON', natsSubject);
  }
  if (!isEnvelope(value)) throw new UnreadableMessage('it is not a CloudEvents 1.0 envelope', natsSubject);
  return value;
}

/** The data as an instance of its class, checked. @throws {UnreadableMessage} naming the first fields that are wrong */
export function readData<Data extends object>(type: ClassConstructor<Data>, data: unknown, natsSubject: string): Data {
  if (typeof data !== 'object' || data === null) throw new UnreadableMessage('it has no data', natsSubject);
  const instance = plainToInstance(type, data);
  const errors = validateSync(instance, { forbidUnknownValues: true, whitelist: false });
  if (errors.length > 0) throw new UnreadableMessage(describe(errors), natsSubject);
  return instance;
}

function describe(errors: ValidationError[], above = ''): string {
  return errors
    .slice(0, 5)
    .map((error) => {
      const path = `${above}${error.property}`;
      return error.children?.length ? describe(error.children, `${path}.`) : Object.values(error.constraints ?? {})[0];
    })
    .join('; ');
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== 'object' || value === null) return false;
  const candidate = value as Record<string, unknown>;
  return (
    candidate['specversion'] === '1.0' &&
    ['id', 'source', 'type', 'subject', 'time'].every((field) => typeof candidate[field] === 'string') &&
    'data' in candidate
  );
}
