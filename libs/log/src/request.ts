import { errors, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import {
  MESSAGE_BOUNDS,
  parseSubject,
  readJson,
  UnreadableJson,
  type Answer,
  type JsonBounds,
  type ParsedSubject,
  type Refusal,
} from '@buckets/contracts';
import { Headway } from './headway.js';

/** The other side has said no. */
export class Refused extends Error {
  readonly code: string;
  constructor(readonly refusal: Refusal) {
    super(refusal.detail);
    this.name = 'Refused';
    this.code = refusal.code;
  }
}

/** Nobody answered in time. */
export class Unanswered extends Error {
  readonly code = 'unanswered';
  constructor(
    readonly subject: string,
    cause: unknown,
  ) {
    super(`Nobody answered on ${subject} in time.`, { cause });
    this.name = 'Unanswered';
  }
}

/**
 * Asks and waits for the answer.
 *
 * @throws {Refused} with the reason
 * @throws {Unanswered} after `timeoutMs` milliseconds, or at once when nobody listens
 */
export async function ask<Result>(
  nats: NatsConnection,
  subject: string,
  body: unknown,
  timeoutMs = 5_000,
): Promise<Result> {
  let reply: Msg;
  try {
    reply = await nats.request(subject, JSON.stringify(body), { timeout: timeoutMs });
  } catch (error) {
    throw new Unanswered(subject, error);
  }
  const answer = answerIn<Result>(reply);
  if ('ok' in answer) return answer.ok;
  throw new Refused(answer.refused);
}

/** Whoever answers may be anybody: a host, for one. */
function answerIn<Result>(reply: Msg): Answer<Result> {
  try {
    const answer = readJson(reply.data, REQUEST_BOUNDS);
    if (isAnswer<Result>(answer)) return answer;
  } catch (error) {
    throw new Unanswered(reply.subject, error);
  }
  throw new Unanswered(reply.subject, new Error('It was answered with something that is no answer.'));
}

function isAnswer<Result>(value: unknown): value is Answer<Result> {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, 'ok') || ('refused' in value && isRefusal(value.refused));
}

function isRefusal(value: unknown): value is Refusal {
  const { code, detail, retry } = (value ?? {}) as Partial<Record<keyof Refusal, unknown>>;
  return (
    typeof code === 'string' &&
    /^[a-z][a-z0-9-]{0,99}$/.test(code) &&
    typeof detail === 'string' &&
    detail.length <= MAX_DETAIL &&
    typeof retry === 'boolean'
  );
}

export interface AnswerOptions {
  /** Copies with the same queue share the requests. */
  queue?: string;
  /** Requests in work at once; beyond it a request is refused as busy. */
  atOnce: number;
  /** Bytes of a request at most; default 1 MiB. */
  maxBytes?: number;
  /** Turns a failure into a refusal; it must not tell more than the asker may know. */
  refuse: (error: unknown) => Refusal;
}

/** What answers requests, until it is drained. */
export interface Answering {
  drain(): Promise<void>;
  /** @throws {NoHeadway} when requests are not answered */
  check(): void;
}

/** Answers requests on a subject. What is no JSON, or not within its bounds, is refused. */
export function answer(
  nats: NatsConnection,
  subject: string,
  options: AnswerOptions,
  handle: (request: { subject: ParsedSubject | null; name: string; body: unknown }) => Promise<unknown>,
): Answering {
  const headway = new Headway(`The answering of ${subject}`);
  const bounds = { ...REQUEST_BOUNDS, ...(options.maxBytes === undefined ? {} : { bytes: options.maxBytes }) };
  let inWork = 0;
  const answerTo = async (message: Msg): Promise<Answer<unknown>> => {
    if (inWork >= options.atOnce) return refused('busy', 'Too many requests at once; ask again.', true);
    const ended = headway.begin();
    inWork++;
    try {
      const body = message.data.length === 0 ? {} : readJson(message.data, bounds);
      if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new UnreadableJson('it is no object');
      const name = message.subject.slice(message.subject.lastIndexOf('.') + 1);
      return { ok: (await handle({ subject: parseSubject(message.subject), name, body })) ?? {} };
    } catch (error) {
      if (!(error instanceof UnreadableJson)) return { refused: options.refuse(error) };
      return refused('bad-request', `The request cannot be read: ${error.reason}.`, false);
    } finally {
      inWork--;
      ended();
    }
  };
  const subscription: Subscription = nats.subscribe(subject, {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    callback: (error, message) => {
      if (error === null) void answerTo(message).then((content) => send(nats, message, content));
    },
  });
  return { drain: () => subscription.drain(), check: () => headway.check() };
}

/** Requests and their answers, as large as the server lets through. */
const REQUEST_BOUNDS: JsonBounds = { ...MESSAGE_BOUNDS, bytes: 1024 * 1024, anyText: true };
const MAX_DETAIL = 4_000;

function refused(code: string, detail: string, retry: boolean): Answer<never> {
  return { refused: { code, detail, retry } };
}

function send(nats: NatsConnection, message: Msg, content: Answer<unknown>): void {
  const text = JSON.stringify(content);
  const tooLarge = Buffer.byteLength(text) > (nats.info?.max_payload ?? REQUEST_BOUNDS.bytes);
  try {
    message.respond(
      tooLarge
        ? JSON.stringify(refused('answer-too-large', 'Ask for less at once: the answer is too large.', false))
        : text,
    );
  } catch (error) {
    // This process is on its way out: whoever waits for the answer asks again, and is heard by another one.
    if (!(error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError))
      throw error;
  }
}
