import { until } from '../../stack/src/index.js';

/** What callers of the API get to see of an operation. */
export interface Operation {
  id: string;
  kind: string;
  state: 'queued' | 'running' | 'succeeded' | 'partial' | 'failed' | 'cancelled' | 'expired';
  projectId: string;
  attempts: number;
  /** By the clock of the control plane, as are the two others. */
  requestedAt: string;
  beganAt?: string;
  endedAt?: string;
  code?: string;
  reason?: string;
  left?: string[];
  progress?: { phase: string; bytesDone: number };
  result?: {
    backupId?: string;
    createdRoots?: string[];
    hook?: { exitCode: number; output: string };
    afterCommand?: { exitCode: number; output: string };
    repository?: {
      total: number;
      first: { kind: string; id?: string; damage: string }[];
      damaged: string[];
      others: string;
      whole: string[];
      packs: number;
      packsRead: number;
    };
    restore?: {
      backupId: string;
      roots: string[];
      problems: FileProblems;
      lacks: FileProblems;
    };
  };
}

export interface Backup {
  id: string;
  operationId: string;
  outcome: 'succeeded' | 'partial';
  partialBecause: string[];
  unreadable: FileProblems;
  vanished?: FileProblems;
  changedWhileRead?: FileProblems;
  confined?: boolean;
  consistency: { mode: string; movedWhileReading: boolean };
  counter: { generation: number; epoch: string; n: number };
  parentId?: string;
  /** By the clock of its host. */
  beganAt: string;
  beganPosition: number;
  accepted?: { because: string };
  recovered?: { bucketId: string; orderedBy: string; beganPosition?: number };
  hostId: string;
  inDoubt?: boolean;
  damaged?: boolean;
  files: number;
  bytes: number;
  bytesAdded: number;
  filesNew: number;
  filesChanged: number;
}

export interface FileProblems {
  total: number;
  first: { path: string; reason: string }[];
}

export interface Freshness {
  freshness: 'fresh' | 'stale' | 'never' | 'unknown';
  reason: string;
  staleSince?: string;
  coveredBy?: string;
  statedAt?: string;
  confirmedAt?: string;
  watched?: boolean;
  asOf?: string;
}

export interface Project {
  id: string;
  /** Left out of a project that is assigned to none. */
  hostId?: string;
  generation: number;
  provisioned: boolean;
  running: boolean;
  freshness: Freshness;
  damage?: { total: number; first: { kind: string; damage: string }[]; operationId: string };
  provisionOperationId: string;
}

export interface Answer<Body = unknown> {
  status: number;
  headers: Headers;
  body: Body;
}

export interface Problem {
  status: number;
  code: string;
  detail: string;
}

export interface Call {
  /** Sent as JSON, unless it is bytes already. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Null for none. */
  token?: string | null;
}

const CALL_WITHIN_MS = 30_000;

/** A caller of the product's HTTP API, as a program elsewhere would be one. */
export class Api {
  /** Hears of every answer. */
  onAnswer: (method: string, path: string, answer: Answer) => void = () => undefined;

  /** Both are asked for at each call, as they change when the product starts anew. */
  constructor(
    private readonly url: () => string,
    private readonly token: () => string,
  ) {}

  async call<Body = unknown>(method: string, path: string, { body, headers, token }: Call = {}): Promise<Answer<Body>> {
    const isBytes = body instanceof Uint8Array || typeof body === 'string';
    const bearer = token === undefined ? this.token() : token;
    const response = await fetch(this.url() + path, {
      method,
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? (body as RequestInit['body']) : JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    });
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    const bytes = Buffer.from(await response.arrayBuffer());
    const answer = isJson && bytes.length > 0 ? (JSON.parse(bytes.toString()) as Body) : (bytes as Body);
    const heard = { status: response.status, headers: response.headers, body: answer };
    this.onAnswer(method, path, heard);
    return heard;
  }

  /** What is there. @throws Error with the problem when the answer is not 200 */
  async get<Body>(path: string): Promise<Body> {
    return this.#expected<Body>(200, 'GET', path);
  }

  async post<Body>(path: string, body: object = {}, status = 201): Promise<Body> {
    return this.#expected<Body>(status, 'POST', path, { body });
  }

  /** Asks for a piece of work: the operation that was accepted. */
  async ask(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<Operation> {
    return this.#expected<Operation>(202, 'POST', path, { body, headers });
  }

  /** Asks for a piece of work and waits for its end. */
  async done(path: string, body: object = {}): Promise<Operation> {
    return this.ended((await this.ask(path, body)).id);
  }

  /** Waits until an operation has ended, however often the API goes away meanwhile. */
  async ended(operationId: string, withinMs = 90_000): Promise<Operation> {
    return this.seen(operationId, ({ endedAt }) => endedAt !== undefined, 'its end', withinMs);
  }

  /** Waits until an operation is as it is wanted. */
  async seen(
    operationId: string,
    isSo: (operation: Operation) => boolean,
    what: string,
    withinMs = 30_000,
  ): Promise<Operation> {
    let last: Operation | undefined;
    const look = async () => {
      last = await this.get<Operation>(`/v1/operations/${operationId}`);
      return isSo(last) ? last : undefined;
    };
    return until(look, { what: `operation ${operationId}: ${what}`, withinMs }).catch((error: unknown) => {
      throw new Error(`Last seen: ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /** The latest ones. */
  async operations(projectId: string): Promise<Operation[]> {
    return (await this.get<{ items: Operation[] }>(`/v1/operations?projectId=${projectId}`)).items;
  }

  async backups(projectId: string): Promise<Backup[]> {
    return (await this.get<{ items: Backup[] }>(`/v1/projects/${projectId}/backups`)).items;
  }

  async backup(projectId: string, backupId: string | undefined): Promise<Backup> {
    return this.get<Backup>(`/v1/projects/${projectId}/backups/${backupId}`);
  }

  async project(projectId: string): Promise<Project> {
    return this.get<Project>(`/v1/projects/${projectId}`);
  }

  async freshness(projectId: string): Promise<Freshness> {
    return this.get<Freshness>(`/v1/projects/${projectId}/freshness`);
  }

  async #expected<Body>(status: number, method: string, path: string, call: Call = {}): Promise<Body> {
    const answer = await this.call<Body>(method, path, call);
    if (answer.status === status) return answer.body;
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 1000)}`);
  }
}
