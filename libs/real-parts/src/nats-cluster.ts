import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { until } from '@buckets/patience';
import { execa, type ResultPromise } from 'execa';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from './find-tool.js';
import { freePorts } from './free-ports.js';

const READY_MS = 60_000;

export interface NatsCluster extends AsyncDisposable {
  /** Of all nodes, for a client: `nats://…,nats://…`. */
  readonly url: string;
  /** The names of its nodes, as JetStream tells them, with the port that each listens on. */
  readonly nodes: ReadonlyMap<string, number>;
  /** Ends a node at once (SIGKILL); its data stay. */
  kill(node: string): Promise<void>;
  /** Starts those nodes that do not run, and waits until the cluster has a leader. */
  start(): Promise<void>;
}

/**
 * Starts three NATS servers with JetStream as one cluster, on free ports of the loopback, with their data in a
 * temporary folder and every write flushed. Anybody may connect. Disposing of it leaves nothing behind.
 */
export async function startNatsCluster(): Promise<NatsCluster> {
  const program = await findTool('nats-server');
  const folder = await mkdtemp(join(tmpdir(), 'buckets-nats-cluster-'));
  const nodes = await planNodes(folder);
  const url = nodes.map(({ port }) => `nats://127.0.0.1:${port}`).join(',');
  const running = new Map<string, ResultPromise>();

  const kill = async (name: string): Promise<void> => {
    const server = running.get(name);
    running.delete(name);
    server?.kill('SIGKILL');
    await server;
  };
  const start = async (): Promise<void> => {
    for (const { name, configuration } of nodes) {
      if (!running.has(name)) running.set(name, run(program, configuration, folder));
    }
    await until(() => hasLeader(url), { withinMs: READY_MS, what: 'The start of the NATS cluster' });
  };
  const end = async (): Promise<void> => {
    await Promise.all(nodes.map(({ name }) => kill(name)));
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    const logs = await Promise.all(nodes.map(({ configuration }) => readFile(`${configuration}.log`, 'utf8')));
    await end();
    throw new Error(`The NATS cluster did not start: ${logs.join('\n').slice(-4000)}`, { cause: error });
  }
  return { url, nodes: new Map(nodes.map(({ name, port }) => [name, port])), kill, start, [Symbol.asyncDispose]: end };
}

interface Node {
  name: string;
  port: number;
  /** The path of its file. */
  configuration: string;
}

async function planNodes(folder: string): Promise<Node[]> {
  const names = ['one', 'two', 'three'];
  const ports = await freePorts(names.length * 2);
  const routes = names.map((_, index) => `nats://127.0.0.1:${ports[names.length + index]}`);
  return Promise.all(
    names.map(async (name, index) => {
      const port = ports[index]!;
      const configuration = join(folder, `${name}.conf`);
      await mkdir(join(folder, name));
      // Clients keep to the addresses that they were given, such as that of a proxy.
      await writeFile(
        configuration,
        `
server_name: ${name}
listen: "127.0.0.1:${port}"
max_payload: 1MiB
jetstream {
  store_dir: ${JSON.stringify(join(folder, name))}
  sync_interval: always
  max_memory_store: 4GiB
  max_file_store: 1TiB
}
authorization { timeout: 30 }
cluster { name: test, listen: "127.0.0.1:${ports[names.length + index]}", no_advertise: true, routes: ${JSON.stringify(routes)} }
`,
      );
      return { name, port, configuration };
    }),
  );
}

function run(program: string, configuration: string, cwd: string): ResultPromise {
  return execa(program, ['--config', configuration], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: { file: `${configuration}.log`, append: true },
    cwd,
    env: { PATH: process.env['PATH'] },
    extendEnv: false,
    reject: false,
  });
}

async function hasLeader(url: string): Promise<boolean> {
  try {
    const connection = await connect({ servers: url.split(','), timeout: 1_000, reconnect: false });
    try {
      await (await jetstreamManager(connection, { timeout: 1_000 })).getAccountInfo();
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}
