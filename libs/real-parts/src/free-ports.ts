import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the range from which the system takes ports for outgoing connections, and a hundred for each process, so that
 * they stay free until they are used.
 */
const FIRST = 10_000 + (process.pid % 100) * 100;
const COUNT = 100;
const MAX_TRIES = 500;

/** That many different ports of the loopback, on which nobody listens now. @throws Error when there are not so many */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  try {
    for (let tries = 0; held.size < count; tries++) {
      if (tries === MAX_TRIES) throw new Error(`Nearly all ports from ${FIRST} are taken.`);
      const port = FIRST + Math.floor(Math.random() * COUNT);
      const server = createServer();
      const isFree = await once(server.listen(port, '127.0.0.1'), 'listening').then(
        () => true,
        () => false,
      );
      if (isFree) held.set(port, server);
    }
    return [...held.keys()];
  } finally {
    await Promise.all([...held.values()].map((server) => once(server.close(), 'close')));
  }
}
