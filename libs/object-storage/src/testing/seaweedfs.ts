import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, glob, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { S3Access } from '../s3-object-store.js';

const START_MS = 30_000;

export interface SeaweedFs extends AsyncDisposable {
  /** Access to a bucket of this server; the bucket is yours to create. */
  access(bucket: string): S3Access;
}

/** Starts a real S3 server on free ports of the loopback, with its data in a folder of its own. */
export async function startSeaweedFs(): Promise<SeaweedFs> {
  const weed = await findTool('weed');
  const folder = await mkdtemp(join(tmpdir(), 'buckets-seaweedfs-'));
  const credentials = { accessKeyId: 'test-access', secretAccessKey: 'test-secret-key' };
  const config = join(folder, 's3.json');
  await writeFile(config, s3Config(credentials));
  const [master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, s3, s3Grpc] = await freePorts(8);
  const child = spawn(
    weed,
    [
      ...['server', '-s3', '-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-dir=${folder}`, `-s3.config=${config}`],
      ...[`-master.port=${master}`, `-master.port.grpc=${masterGrpc}`],
      ...[`-volume.port=${volume}`, `-volume.port.grpc=${volumeGrpc}`, '-volume.max=50'],
      ...[`-filer.port=${filer}`, `-filer.port.grpc=${filerGrpc}`, `-filer.localSocket=${join(folder, 'f.sock')}`],
      ...[`-s3.port=${s3}`, `-s3.port.grpc=${s3Grpc}`, `-s3.localSocket=${join(folder, 's3.sock')}`],
      ...['-s3.port.lance=0', '-s3.port.iceberg=0', '-master.volumeSizeLimitMB=64'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));

  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const server: SeaweedFs = {
    access: (bucket) => ({ endpoint: `http://127.0.0.1:${s3}`, region: 'us-east-1', bucket, ...credentials }),
    async [Symbol.asyncDispose]() {
      kill();
      await ended;
      process.off('exit', kill);
      await rm(folder, { recursive: true, force: true });
    },
  };
  const deadline = Date.now() + START_MS;
  while (!(await answers(`http://127.0.0.1:${s3}/`))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await server[Symbol.asyncDispose]();
      throw new Error(`SeaweedFS did not start: ${log}`);
    }
    await delay(100);
  }
  return server;
}

function s3Config({ accessKeyId, secretAccessKey }: { accessKeyId: string; secretAccessKey: string }): string {
  const credentials = [{ accessKey: accessKeyId, secretKey: secretAccessKey }];
  return JSON.stringify({
    identities: [{ name: 'admin', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }],
  });
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
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

async function findTool(name: string): Promise<string> {
  const checkout = fileURLToPath(new URL('../../../..', import.meta.url));
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  for (const candidate of [join(checkout, '.tools/bin', name), ...onPath]) {
    if (await isExecutable(candidate)) return candidate;
  }
  for await (const candidate of glob(`${homedir()}/.cache/buckets/tools/*/{bin/,}${name}`)) {
    if (await isExecutable(candidate)) return candidate;
  }
  throw new Error(`${name} is not installed. Run "npm run demo" once: it installs what the tests need.`);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
