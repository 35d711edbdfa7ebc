import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Below the range from which the system takes ports for outgoing connections, so that they stay free until they are used. */
const FIRST = 10_000;
const PER_BAND = 100;
const BANDS = 220;
/** Test workers of one run, at most. */
const PER_RUN = 8;

/**
 * The first of the ports from which a process chooses. What one has stopped and starts again finds its port free, as the
 * others of the same test run choose elsewhere.
 */
export function bandOf({ pid, ppid, env }: Pick<NodeJS.Process, 'pid' | 'ppid' | 'env'>): number {
  const worker = env['JEST_WORKER_ID'];
  const band = worker === undefined ? pid : ppid * PER_RUN + Number(worker);
  return FIRST + (band % BANDS) * PER_BAND;
}

const BAND = bandOf(process);
/** In turn, so that a port given is not given again soon. */
let turn = Math.floor(Math.random() * PER_BAND);

/** Free ports of the loopback: nobody else gets them until the dispose. */
export class HeldPorts implements AsyncDisposable {
  private readonly servers: Server[] = [];

  /** @returns whether it was free */
  async hold(port: number): Promise<boolean> {
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch (error) {
      if (['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
    this.servers.push(server);
    return true;
  }

  /** @throws Error when all that this process may choose from are taken */
  async holdAny(): Promise<number> {
    for (let tries = 0; tries < PER_BAND; tries++) {
      const port = BAND + (turn++ % PER_BAND);
      if (await this.hold(port)) return port;
    }
    throw new Error(`All ports from ${BAND} to ${BAND + PER_BAND - 1} are taken.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => once(server.close(), 'close')));
  }
}

/** That many different ports of the loopback, on which nobody listens now. @throws Error when there are not so many */
export async function freePorts(count: number): Promise<number[]> {
  await using held = new HeldPorts();
  const ports: number[] = [];
  while (ports.length < count) ports.push(await held.holdAny());
  return ports;
}
