import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { createRepositoryKey } from '@buckets/repository';
import { startStack, type Stack } from '@buckets/stack';
import { PlatformKeys, PostgresKeyRows, ProjectKeysRow, Vault } from '@buckets/vault';
import { DataSource } from 'typeorm';

export interface Operation {
  id: string;
  state: string;
  endedAt?: string;
  code?: string;
  reason?: string;
  result?: { backupId?: string };
}

const DEADLINE_MS = 10 * 60_000;

/** A stack of its own with one host, and the product as somebody outside uses it. */
export class Product implements AsyncDisposable {
  private readonly connections = new Agent({ keepAlive: true });

  private constructor(
    readonly stack: Stack,
    private readonly folder: string,
    readonly hostId: string,
  ) {}

  static async start(hostId: string): Promise<Product> {
    const folder = await mkdtemp(join(tmpdir(), 'buckets-bench-'));
    const services = ['api', 'scheduler', `worker-${hostId}`];
    // A service that dies meanwhile spoils what is measured.
    const log = { note: (name: string, note: string) => console.error(`${name}: ${note}`) };
    return new Product(await startStack({ dataDir: folder, services, log }), folder, hostId);
  }

  /** By plain HTTP on connections that are kept: on a small machine `fetch` would take part of what is measured. */
  async call<Result>(method: string, path: string, body?: object): Promise<Result> {
    const { apiUrl, adminToken } = this.stack.access;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(DEADLINE_MS);
    request(apiUrl + path, { method, headers, agent: this.connections, signal }, resolve)
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
    const response = await promise;
    const answer = (await json(response)) as Result;
    if (response.statusCode! >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Asks, and waits until the operation can be read as succeeded. */
  async done(path: string, body: object = {}, deadlineMs = DEADLINE_MS): Promise<Operation> {
    return this.succeeded((await this.call<Operation>('POST', path, body)).id, deadlineMs);
  }

  /** Listens rather than asks over and over: on a small machine the asking would take part of what is measured. */
  async succeeded(operationId: string, deadlineMs = DEADLINE_MS): Promise<Operation> {
    const { apiUrl, adminToken } = this.stack.access;
    const response = await fetch(`${apiUrl}/v1/operations/${operationId}/events`, {
      headers: { authorization: `Bearer ${adminToken}` },
      signal: AbortSignal.timeout(deadlineMs),
    });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    const last = /^event: state\ndata: (.*)$/gm;
    const operation = JSON.parse([...text.matchAll(last)].at(-1)![1]!) as Operation;
    if (operation.state === 'succeeded') return operation;
    throw new Error(`The operation ended as ${operation.state}: ${operation.code} ${operation.reason}`);
  }

  /** A new project whose folders are there. @returns the folder that holds its roots */
  async project(id: string): Promise<string> {
    const { provisionOperationId } = await this.call<{ provisionOperationId: string }>('POST', '/v1/projects', {
      id,
      hostId: this.hostId,
    });
    await this.succeeded(provisionOperationId);
    return join(this.stack.access.hosts.find(({ hostId }) => hostId === this.hostId)!.dataRoot, id);
  }

  /** The password that opens a project's repository with plain rustic. */
  async recoveryPassword(projectId: string): Promise<string> {
    const { postgresUrl, platformKeyFile } = this.stack.infrastructure;
    const data = new DataSource({ type: 'postgres', url: postgresUrl, entities: [ProjectKeysRow] });
    await data.initialize();
    try {
      const platformKeys = new PlatformKeys(readFileSync(platformKeyFile, 'utf8').trim());
      const vault = new Vault({
        rows: new PostgresKeyRows(data),
        platformKeys,
        createRepositoryKey: () =>
          JSON.parse(createRepositoryKey()) as { mac: { k: string; r: string }; encrypt: string },
      });
      return (await vault.get(projectId)).recoveryPassword;
    } finally {
      await data.destroy();
    }
  }

  /** Megabytes of memory that each service's process has resident. */
  residentMegabytes(): Record<string, number> {
    const running = [
      ...this.stack.access.services,
      ...this.stack.access.hosts.map(({ hostId, pid }) => ({ name: `worker-${hostId}`, pid })),
    ];
    const resident = (pid: number): number =>
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024;
    return Object.fromEntries(
      running.flatMap(({ name, pid }) => (pid === null ? [] : [[name, Math.round(resident(pid))]])),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connections.destroy();
    await this.stack.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
