import { until } from '@buckets/patience';
import { execa } from 'execa';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from './find-tool.js';
import { freePorts } from './free-ports.js';

const START_MS = 30_000;
const ANSWER_MS = 5_000;
const IDENTITY = { accessKeyId: 'test-access', secretAccessKey: 'test-secret-key' };

/** What a client of a bucket has to know. */
export interface BucketAccess {
  /** `http://host:port`; requests are path style. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SeaweedFs extends AsyncDisposable {
  /** An administrator's access to a bucket of this server; the bucket is yours to create. */
  access(bucket: string): BucketAccess;
}

/**
 * Starts a real S3 server on free ports of the loopback, with its data in a temporary folder of its own, and waits
 * until it stores what it is given. Disposing of it leaves nothing behind.
 */
export async function startSeaweedFs(): Promise<SeaweedFs> {
  const program = await findTool('weed');
  const folder = await mkdtemp(join(tmpdir(), 'buckets-seaweedfs-'));
  const log = join(folder, 'log');
  const ports = await choosePorts();
  const flags = {
    dir: folder,
    ip: '127.0.0.1',
    'ip.bind': '127.0.0.1',
    s3: true,
    's3.config': await writeConfiguration(folder),
    's3.port.lance': 0,
    's3.port.iceberg': 0,
    'master.telemetry': false,
    // Alone, it need not wait long for others before it leads.
    'master.electionTimeout': '500ms',
    'master.heartbeatInterval': '100ms',
    'master.volumeSizeLimitMB': 64,
    'volume.max': 50,
    ...ports,
  };
  const weed = execa(program, ['server', ...Object.entries(flags).map(([name, value]) => `-${name}=${value}`)], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: { file: log },
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
    extendEnv: false,
    reject: false,
  });
  const over = new AbortController();
  const ended = weed.then(() => over.abort(new Error('It ended by itself.')));
  const end = async (): Promise<void> => {
    weed.kill('SIGKILL');
    await ended;
    await removeSockets(ports);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(() => takesObjects(ports, over.signal), {
      withinMs: START_MS,
      what: 'The start of SeaweedFS',
      signal: over.signal,
    });
  } catch (error) {
    const lastWords = await readFile(log, 'utf8').catch(() => '');
    await end();
    throw new Error(`SeaweedFS did not start: ${lastWords.slice(-4000)}`, { cause: error });
  }
  const endpoint = `http://127.0.0.1:${ports['s3.port']}`;
  return {
    access: (bucket) => ({ endpoint, region: 'us-east-1', bucket, ...IDENTITY }),
    [Symbol.asyncDispose]: end,
  };
}

type Ports = Record<`${'master' | 'volume' | 'filer' | 's3'}.port${'' | '.grpc'}`, number>;

/** It is four servers in one process, each with a port for HTTP and one for gRPC. */
async function choosePorts(): Promise<Ports> {
  const names = ['master', 'volume', 'filer', 's3'].flatMap((server) => [`${server}.port`, `${server}.port.grpc`]);
  const ports = await freePorts(names.length);
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Ports;
}

async function writeConfiguration(folder: string): Promise<string> {
  const credentials = [{ accessKey: IDENTITY.accessKeyId, secretKey: IDENTITY.secretAccessKey }];
  const identities = [{ name: 'admin', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }];
  const file = join(folder, 's3.json');
  await writeFile(file, JSON.stringify({ identities }));
  return file;
}

/** S3 answers, and what is below it stores: a put there, beside the buckets, needs no signature. */
async function takesObjects(ports: Ports, signal: AbortSignal): Promise<boolean> {
  const succeeds = (url: string, init?: RequestInit): Promise<boolean> =>
    fetch(url, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) }).then(
      async (answer) => {
        await answer.body?.cancel();
        return answer.ok;
      },
      () => false,
    );
  const file = `http://127.0.0.1:${ports['filer.port']}/ready`;
  return (
    (await succeeds(`http://127.0.0.1:${ports['s3.port']}/status`)) &&
    (await succeeds(file, { method: 'PUT', body: 'ready' }))
  );
}

/** It puts a socket for each port into /tmp, wherever else it is told to live. */
async function removeSockets(ports: Ports): Promise<void> {
  const names = Object.entries(ports).map(([name, port]) => `${name.replace('.port', '').replace('.', '-')}-${port}`);
  await Promise.all(names.map((name) => rm(`/tmp/seaweedfs-${name}.sock`, { force: true })));
}
