import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { serverSentEvents } from './server-sent-events.js';
import type { Progress } from './progress.js';

/** What the demo reads of an operation; GET /v1/operations/:id has more. */
export interface Operation {
  id: string;
  kind: string;
  state: string;
  endedAt?: string;
  code?: string;
  reason?: string;
  result?: { backupId?: string; restore?: RestoreResult };
}

export interface RestoreResult {
  backupId: string;
  files: number;
  bytes: number;
}

export interface Backup {
  id: string;
  files: number;
  folders: number;
  bytes: number;
  bytesAdded: number;
  bytesStored: number;
  unreadable: { total: number; first: { path: string; reason: string }[] };
}

export interface Freshness {
  freshness: string;
  reason: string;
  staleSince?: string;
}

/** The API said no, or nothing. */
export class ApiFailed extends Error {
  readonly code = 'api-failed';
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ApiFailed';
  }
}

/** An operation has ended, but not well. */
export class OperationFailed extends Error {
  readonly code = 'operation-failed';
  constructor({ kind, state, code, reason }: Operation) {
    super(
      `The ${kind} has ended as ${state}${code === undefined ? '' : ` (${code})`}: ${reason ?? 'no reason is known'}`,
    );
    this.name = 'OperationFailed';
  }
}

const ANSWER_LIMIT_MS = 15_000;
/** A part of Buckets that died is back within this, as it is supervised. */
const RETRY_LIMIT_MS = 30_000;
const RETRY_PAUSE_MS = 500;
/** As long as a worker lets rustic live. */
const OPERATION_LIMIT_MS = 12 * 3_600_000;

/** Asks the API, as any other program would. */
export class Api {
  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly signal: AbortSignal,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.#ask<T>(path, { method: 'GET' });
  }

  /** Asked once, however often it has to be sent. */
  post<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    });
  }

  /**
   * Waits for the end of an operation and tells its progress meanwhile. The stream of events is best effort: should it
   * break, the operation itself is asked for.
   *
   * @throws {OperationFailed} when it has not succeeded
   */
  async ended(operationId: string, onProgress: (progress: Progress) => void = () => undefined): Promise<Operation> {
    const deadline = performance.now() + OPERATION_LIMIT_MS;
    const path = `/v1/operations/${operationId}`;
    while (performance.now() < deadline) {
      await this.#listen(`${path}/events`, onProgress).catch(() => undefined);
      const operation = await this.get<Operation>(path);
      if (operation.state === 'succeeded') return operation;
      if (operation.endedAt !== undefined) throw new OperationFailed(operation);
      await pause(RETRY_PAUSE_MS, undefined, { signal: this.signal });
    }
    throw new ApiFailed(`The operation ${operationId} has not ended in ${OPERATION_LIMIT_MS / 3_600_000} hours.`);
  }

  /** Until the stream ends, which it does when the operation has ended. */
  async #listen(path: string, onProgress: (progress: Progress) => void): Promise<void> {
    const { body } = await this.#fetch(path, { signal: this.signal });
    if (body === null) return;
    for await (const { event, data } of serverSentEvents(body)) {
      if (event === 'progress') onProgress(JSON.parse(data) as Progress);
    }
  }

  /** A passing trouble is waited out; a no is told in the words of the API. */
  async #ask<T>(path: string, request: RequestInit): Promise<T> {
    const deadline = performance.now() + RETRY_LIMIT_MS;
    for (;;) {
      const answer = await this.#answer(path, request);
      if (answer.ok) return JSON.parse(answer.text) as T;
      if (!answer.passing || performance.now() > deadline) {
        throw new ApiFailed(`${request.method} ${path}: ${answer.text}`, answer.cause);
      }
      await pause(RETRY_PAUSE_MS, undefined, { signal: this.signal });
    }
  }

  async #answer(path: string, request: RequestInit): Promise<Answer> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
    try {
      const response = await this.#fetch(path, { ...request, signal });
      const text = await response.text();
      if (response.ok) return { ok: true, text };
      return { ok: false, passing: response.status === 503, text: detailOf(text) ?? `status ${response.status}` };
    } catch (cause) {
      this.signal.throwIfAborted();
      return { ok: false, passing: true, text: `Buckets does not answer at ${this.url}. Was it stopped?`, cause };
    }
  }

  #fetch(path: string, { headers, ...request }: RequestInit): Promise<Response> {
    return fetch(this.url + path, { ...request, headers: { ...headers, authorization: `Bearer ${this.token}` } });
  }
}

type Answer = { ok: true; text: string } | { ok: false; passing: boolean; text: string; cause?: unknown };

/** What problem+json says to people. */
function detailOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { detail?: string }).detail;
  } catch {
    return undefined; // Not from the API itself.
  }
}
