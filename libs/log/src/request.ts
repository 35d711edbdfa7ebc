import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
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
  const answer = reply.json<Answer<Result>>();
  if ('ok' in answer) return answer.ok;
  throw new Refused(answer.refused);
}

export interface AnswerOptions {
  /** Copies with the same queue share the requests. */
  queue?: string;
  /** Requests in work at once; beyond it a request is refused as busy. */
  atOnce: number;
  /** Turns a failure into a refusal; it must not tell more than the asker may know. */
  refuse: (error: unknown) => Refusal;
}

/** Answers requests on a subject until the subscription is drained. */
export function answer(
  nats: NatsConnection,
  subject: string,
  options: AnswerOptions,
  handle: (request: { subject: ParsedSubject | null; name: string; body: unknown }) => Promise<unknown>,
): Subscription {
  let inWork = 0;
  const respond = async (message: Msg): Promise<void> => {
    if (inWork >= options.atOnce) {
      send(message, { refused: { code: 'busy', detail: 'Too many requests at once; ask again.', retry: true } });
      return;
    }
    inWork++;
    try {
      const name = message.subject.slice(message.subject.lastIndexOf('.') + 1);
      const body = parseBody(message);
      send(message, { ok: (await handle({ subject: parseSubject(message.subject), name, body })) ?? {} });
    } catch (error) {
      send(message, { refused: options.refuse(error) });
    } finally {
      inWork--;
    }
  };
  return nats.subscribe(subject, {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    callback: (error, message) => {
      if (error === null) void respond(message);
    },
  });
}

function parseBody(message: Msg): unknown {
  return message.data.length === 0 ? {} : message.json<unknown>();
}

function send(message: Msg, body: Answer<unknown>): void {
  message.respond(JSON.stringify(body));
}
