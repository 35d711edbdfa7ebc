import { setTimeout as pause } from 'node:timers/promises';
import type { Answer, Api, Operation, Problem } from '../running/api.js';

/** How long somebody repeats a request that is not answered. */
const PATIENCE_MS = 120_000;
const PAUSE_MS = 200;

/** What a request has come to. */
export type Reply = { accepted: Operation } | { refused: Problem } | { unanswered: string };

/** A caller of two copies of the API who does not give up: what gets no answer is asked again, as the same request. */
export class Caller {
  #turn = 0;
  #keys = 0;
  /** Answers that say "not now" or worse, by status and code. */
  readonly unfit = new Map<string, number>();
  /** Requests that were sent again. */
  repeats = 0;

  constructor(
    private readonly apis: readonly Api[],
    private readonly name: string,
  ) {}

  /** Asks for work, under one key until somebody answers. */
  async ask(method: 'POST' | 'DELETE', path: string, body?: object): Promise<Reply> {
    const key = `${this.name}-${(this.#keys += 1)}`;
    const call = { headers: { 'idempotency-key': key }, ...(body === undefined ? {} : { body }) };
    const answer = await this.#answered<Operation & Problem>(method, path, call);
    if (typeof answer === 'string') return { unanswered: answer };
    return answer.status < 300 ? { accepted: answer.body } : { refused: answer.body };
  }

  /** What is there. @throws Error when it is not, or nobody answers */
  async get<Body>(path: string): Promise<Body> {
    const answer = await this.#answered<Body>('GET', path);
    if (typeof answer !== 'string' && answer.status === 200) return answer.body;
    throw new Error(`GET ${path}: ${typeof answer === 'string' ? answer : JSON.stringify(answer.body)}`);
  }

  /** All items of a list. */
  async all<Item>(path: string): Promise<Item[]> {
    const items: Item[] = [];
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const page = new URLSearchParams({ limit: '200', ...(cursor === undefined ? {} : { cursor }) });
      const { items: more, nextCursor } = await this.get<{ items: Item[]; nextCursor?: string | null }>(
        `${path}?${page}`,
      );
      items.push(...more);
      cursor = nextCursor ?? undefined;
    }
    return items;
  }

  /** An answer, whatever it says, or why there is none. */
  async #answered<Body>(
    method: string,
    path: string,
    call: Parameters<Api['call']>[2] = {},
  ): Promise<Answer<Body> | string> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      this.#turn += 1;
      const why = await this.#once<Body>(this.apis[this.#turn % this.apis.length]!, method, path, call);
      if (typeof why !== 'string') return why;
      if (performance.now() > until) return why;
      this.repeats += 1;
      await pause(PAUSE_MS);
    }
  }

  async #once<Body>(
    api: Api,
    method: string,
    path: string,
    call: Parameters<Api['call']>[2],
  ): Promise<Answer<Body> | string> {
    try {
      const answer = await api.call<Body & Partial<Problem>>(method, path, call);
      if (answer.status < 500 && answer.status !== 429) return answer;
      const what = `${answer.status} ${answer.body.code}`;
      this.unfit.set(what, (this.unfit.get(what) ?? 0) + 1);
      return `answered ${what}: ${answer.body.detail}`;
    } catch (error) {
      return `no answer: ${(error as Error).message}`;
    }
  }
}
