import { errors, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { parseSubject, type Answer, type ParsedSubject, type Refusal } from '@buckets/contracts';

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

function answerIn<Result>(reply: Msg): Answer<Result> {
  try {
    const answer = reply.json<unknown>();
    if (typeof answer === 'object' && answer !== null && ('ok' in answer || 'refused' in answer)) {
      return answer as Answer<Result>;
    }
  } catch (error) {
    throw new Unanswered(reply.subject, error);
  }
  throw new Unanswered(reply.subject, new Error('It was answered with something that is no answer.'));
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

/** Answers requests on a subject until the subscription is drained. What is no JSON, or too large, is refused. */
export function answer(
  nats: NatsConnection,
  subject: string,
  options: AnswerOptions,
  handle: (request: { subject: ParsedSubject | null; name: string; body: unknown }) => Promise<unknown>,
): Subscription {
  let inWork = 0;
  const answerTo = async (message: Msg): Promise<Answer<unknown>> => {
    if (inWork >= options.atOnce) return refused('busy', 'Too many requests at once; ask again.', true);
    const body = bodyOf(message, options.maxBytes ?? MAX_BYTES);
    if (body === null) return refused('bad-request', 'The request is too large, or is not JSON.', false);
    inWork++;
    try {
      const name = message.subject.slice(message.subject.lastIndexOf('.') + 1);
      return { ok: (await handle({ subject: parseSubject(message.subject), name, ...body })) ?? {} };
    } catch (error) {
      return { refused: options.refuse(error) };
    } finally {
      inWork--;
    }
  };
  return nats.subscribe(subject, {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    callback: (error, message) => {
      if (error === null) void answerTo(message).then((content) => send(nats, message, content));
    },
  });
}

const MAX_BYTES = 1024 * 1024;

function refused(code: string, detail: string, retry: boolean): Answer<never> {
  return { refused: { code, detail, retry } };
}

function bodyOf(message: Msg, maxBytes: number): { body: unknown } | null {
  if (message.data.length === 0) return { body: {} };
  if (message.data.length > maxBytes) return null;
  try {
    return { body: message.json<unknown>() };
  } catch {
    return null;
  }
}

function send(nats: NatsConnection, message: Msg, content: Answer<unknown>): void {
  const text = JSON.stringify(content);
  const tooLarge = Buffer.byteLength(text) > (nats.info?.max_payload ?? MAX_BYTES);
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
