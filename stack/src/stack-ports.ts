import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { choosePorts, PortTaken, type PortWish } from './ports.js';
import { writePrivately } from './private-files.js';

/** The ports that people and programs use, and what such a server usually has. */
const USUAL = { api: 8080, 'share-server': 8081, scheduler: 8082, nats: 4222, postgres: 5432, s3: 8333 };

/** The inner ports of the S3 server. */
const INNER = ['s3Grpc', 'master', 'masterGrpc', 'volume', 'volumeGrpc', 'filer', 'filerGrpc'] as const;

export type PortName = keyof typeof USUAL | (typeof INNER)[number];
export type Ports = Record<PortName, number>;

/** The log names the buckets with the address of S3, so that address is there to stay. */
export class S3PortCannotChange extends Error {
  readonly code = 's3-port-cannot-change';
  constructor(dataDir: string, port: number) {
    super(
      `S3 has port ${port} in ${dataDir}, where the buckets are known by it: free that port and ask for no other, ` +
        `or delete ${dataDir} to start anew.`,
    );
    this.name = 'S3PortCannotChange';
  }
}

/**
 * Chooses the ports of a stack: the ones asked for, else those that were kept for it, else the usual ones, else free
 * ones.
 *
 * @throws {PortTaken} for one asked for
 * @throws {S3PortCannotChange} when S3 cannot have the one it had
 */
export async function choosePortsOf(
  dataDir: string,
  { ports = {}, usualPorts = false }: { ports?: Partial<Ports>; usualPorts?: boolean },
): Promise<Ports> {
  const before = await readPorts(dataDir);
  if (before.s3 !== undefined && ![before.s3, undefined].includes(ports.s3))
    throw new S3PortCannotChange(dataDir, before.s3);
  const wish = (name: PortName): PortWish => {
    const fixed = ports[name] ?? (name === 's3' ? before.s3 : undefined);
    if (fixed !== undefined) return { fixed };
    const usual = usualPorts ? USUAL[name as keyof typeof USUAL] : undefined;
    return { rather: [before[name], usual].filter((port) => port !== undefined) };
  };
  const names = [...Object.keys(USUAL), ...INNER] as PortName[];
  const wishes = Object.fromEntries(names.map((name) => [name, wish(name)])) as Record<PortName, PortWish>;
  return choosePorts(wishes).catch((error: unknown) => {
    if (error instanceof PortTaken && error.port === before.s3) throw new S3PortCannotChange(dataDir, before.s3);
    throw error;
  });
}

/** Keeps ports for the next start. */
export async function keepPorts(dataDir: string, ports: Ports): Promise<void> {
  await writePrivately(fileIn(dataDir), JSON.stringify(ports));
}

async function readPorts(dataDir: string): Promise<Partial<Ports>> {
  try {
    return JSON.parse(await readFile(fileIn(dataDir), 'utf8')) as Partial<Ports>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

function fileIn(dataDir: string): string {
  return join(dataDir, 'ports.json');
}
