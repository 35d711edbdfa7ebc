import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Part } from '../processes/supervised.js';
import { writePrivately } from '../private-files.js';

export interface S3Identity {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The one bucket that it may use; an administrator without. */
  readonly bucket?: string;
}

export interface S3ServerOptions {
  /** SeaweedFS's program, weed. */
  readonly program: string;
  readonly folder: string;
  readonly ports: S3Ports;
  readonly identities: readonly S3Identity[];
}

/** SeaweedFS is four servers in one process, each with a port for HTTP and one for gRPC. */
export interface S3Ports {
  readonly s3: number;
  readonly s3Grpc: number;
  readonly master: number;
  readonly masterGrpc: number;
  readonly volume: number;
  readonly volumeGrpc: number;
  readonly filer: number;
  readonly filerGrpc: number;
}

/** An S3 server: SeaweedFS, on loopback only, as its inner ports know no authentication. */
export function s3Server({ program, folder, ports, identities }: S3ServerOptions): Part {
  const configuration = join(folder, 's3.json');
  const data = join(folder, 'data');
  return {
    name: 's3',
    command: async () => {
      await mkdir(data, { recursive: true, mode: 0o700 });
      await writePrivately(configuration, s3Configuration(identities));
      const flags = {
        dir: data,
        ip: '127.0.0.1',
        'ip.bind': '127.0.0.1',
        s3: true,
        's3.config': configuration,
        's3.port': ports.s3,
        's3.port.grpc': ports.s3Grpc,
        's3.port.lance': 0,
        's3.port.iceberg': 0,
        'master.port': ports.master,
        'master.port.grpc': ports.masterGrpc,
        'master.telemetry': false,
        // Alone, it need not wait long for others before it leads: by default a second start takes 20 s.
        'master.electionTimeout': '500ms',
        'master.heartbeatInterval': '100ms',
        'master.volumeSizeLimitMB': 1024,
        'volume.port': ports.volume,
        'volume.port.grpc': ports.volumeGrpc,
        'volume.max': 0,
        'volume.preStopSeconds': 0,
        'filer.port': ports.filer,
        'filer.port.grpc': ports.filerGrpc,
        'filer.disableHttp': true,
      };
      return {
        file: program,
        args: ['server', ...Object.entries(flags).map(([name, value]) => `-${name}=${value}`)],
        cwd: folder,
        // Its log files go to the folder for temporary files.
        env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder },
      };
    },
    ready: async () => (await fetch(`http://127.0.0.1:${ports.s3}/status`, { signal: AbortSignal.timeout(1_000) })).ok,
    // Its lines begin with their level. Of what it calls an error, much is the absence of what it was not given.
    worthSeeing: (line) => line.startsWith('F'),
    // Asked to stop, it takes no more requests but waits 15 s for a connection to itself. All is written by then.
    stopWith: 'SIGTERM',
    stopWithinMs: 1_000,
    stopsLate: true,
    readyWithinMs: 60_000,
    afterEnd: () => removeSockets(ports),
  };
}

/** Who may do what, as SeaweedFS reads it. Without any identity it would refuse signed requests. */
export function s3Configuration(identities: readonly S3Identity[]): string {
  return JSON.stringify({ identities: identities.map(configured) });
}

function configured({ name, accessKeyId, secretAccessKey, bucket }: S3Identity): object {
  const actions = ['Read', 'Write', 'List', 'Tagging'];
  return {
    name,
    credentials: [{ accessKey: accessKeyId, secretKey: secretAccessKey }],
    actions: bucket === undefined ? ['Admin', ...actions] : actions.map((action) => `${action}:${bucket}`),
  };
}

/** SeaweedFS puts a socket for each port into /tmp, wherever else it is told to live. */
async function removeSockets(ports: S3Ports): Promise<void> {
  const sockets = [
    `s3-${ports.s3}`,
    `s3-grpc-${ports.s3Grpc}`,
    `filer-${ports.filer}`,
    `filer-grpc-${ports.filerGrpc}`,
    `volume-grpc-${ports.volumeGrpc}`,
    `master-grpc-${ports.masterGrpc}`,
  ];
  await Promise.all(sockets.map((name) => rm(`/tmp/seaweedfs-${name}.sock`, { force: true })));
}
