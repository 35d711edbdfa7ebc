import { execa } from 'execa';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, findTool } from './bench.js';

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A real S3 server (SeaweedFS) on free ports of the loopback, with its data in a temporary folder. */
export async function startS3Server(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'buckets-rustic-s3-'));
  const [accessKeyId, secretAccessKey] = ['test-access', 'test-secret-key'];
  const credentials = [{ accessKey: accessKeyId, secretKey: secretAccessKey }];
  const identities = [{ name: 'admin', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }];
  const config = join(folder, 's3.json');
  await writeFile(config, JSON.stringify({ identities }));
  const names = ['master', 'volume', 'filer', 's3'].flatMap((server) => [`${server}.port`, `${server}.port.grpc`]);
  const ports = new Map((await freePorts(names.length)).map((port, index) => [names[index], port]));
  const weed = execa(
    await findTool('weed'),
    [
      ...['server', '-s3', '-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-dir=${folder}`, `-s3.config=${config}`],
      ...[...ports].map(([name, port]) => `-${name}=${port}`),
      ...[`-filer.localSocket=${join(folder, 'filer.sock')}`, `-s3.localSocket=${join(folder, 's3.sock')}`],
      ...['-s3.port.lance=0', '-s3.port.iceberg=0', '-volume.max=50', '-master.volumeSizeLimitMB=64'],
      ...['-master.telemetry=false', '-master.electionTimeout=500ms', '-master.heartbeatInterval=100ms'],
    ],
    { stdio: 'ignore', reject: false },
  );
  const endpoint = `http://127.0.0.1:${ports.get('s3.port')}`;
  const end = async () => {
    weed.kill('SIGKILL');
    await weed;
    await rm(folder, { recursive: true, force: true });
    // It puts a socket for each port of gRPC into /tmp, wherever else it is told to live.
    for (const [name, port] of ports) await rm(`/tmp/seaweedfs-${socketName(name)}-${port}.sock`, { force: true });
  };
  try {
    await eventually(async () => (await fetch(`${endpoint}/status`).catch(() => undefined))?.ok || undefined);
  } catch (error) {
    await end();
    throw error;
  }
  return { endpoint, region: 'us-east-1', accessKeyId, secretAccessKey, [Symbol.asyncDispose]: end };
}

/** `volume.port.grpc` → `volume-grpc`. */
function socketName(option = ''): string {
  return option.replace('.port', '').replace('.', '-');
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
