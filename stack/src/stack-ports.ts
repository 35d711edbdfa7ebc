import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { choosePorts, type PortWish } from './ports.js';
import { writePrivately } from './private-files.js';

/** The ports that people and programs use, and what such a server usually has. */
const USUAL = { api: 8080, 'share-server': 8081, scheduler: 8082, nats: 4222, postgres: 5432, s3: 8333 };

/** The inner ports of the S3 server. */
const INNER = ['s3Grpc', 'master', 'masterGrpc', 'volume', 'volumeGrpc', 'filer', 'filerGrpc'] as const;

export type PortName = keyof typeof USUAL | (typeof INNER)[number];
export type Ports = Record<PortName, number>;

/**
 * Chooses the ports of a stack: the ones asked for, else those it had before, else the usual ones, else free ones.
 *
 * @throws {PortTaken} for one asked for; and for that of S3 when it had another before, as it stands in the log
 */
export async function choosePortsOf(
  dataDir: string,
  { ports = {}, usualPorts = false }: { ports?: Partial<Ports>; usualPorts?: boolean },
): Promise<Ports> {
  const file = join(dataDir, 'ports.json');
  const before = await readPorts(file);
  const wish = (name: PortName): PortWish => {
    const fixed = ports[name] ?? (name === 's3' ? before.s3 : undefined);
    if (fixed !== undefined) return { fixed };
    const usual = usualPorts ? USUAL[name as keyof typeof USUAL] : undefined;
    return { rather: [before[name], usual].filter((port) => port !== undefined) };
  };
  const names = [...Object.keys(USUAL), ...INNER] as PortName[];
  const chosen = await choosePorts<PortName>(
    Object.fromEntries(names.map((name) => [name, wish(name)])) as Record<PortName, PortWish>,
  );
  await writePrivately(file, JSON.stringify(chosen));
  return chosen;
}

async function readPorts(file: string): Promise<Partial<Ports>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Partial<Ports>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
