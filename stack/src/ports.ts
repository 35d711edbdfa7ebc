import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

export interface PortWish {
  /** This one or none. */
  readonly fixed?: number;
  /** The first of these that is free, else any. */
  readonly rather?: readonly number[];
}

/** A port that had to be is taken. */
export class PortTaken extends Error {
  readonly code = 'port-taken';
  constructor(
    readonly what: string,
    readonly port: number,
  ) {
    super(`Port ${port} for ${what} is taken by another program: end that program, or name another port.`);
    this.name = 'PortTaken';
  }
}

/**
 * Finds a free port on loopback for each.
 *
 * @throws {PortTaken} for a fixed one
 */
export async function choosePorts<Name extends string>(
  wishes: Readonly<Record<Name, PortWish>>,
): Promise<Record<Name, number>> {
  const held: Server[] = [];
  const hold = async (port: number): Promise<boolean> => {
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
      held.push(server);
      return true;
    } catch (error) {
      if (['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  };
  const choose = async (what: string, { fixed, rather = [] }: PortWish): Promise<number> => {
    if (fixed !== undefined) {
      if (await hold(fixed)) return fixed;
      throw new PortTaken(what, fixed);
    }
    for (const port of rather) if (await hold(port)) return port;
    for (let attempt = 0; attempt < 100; attempt++) {
      const port = randomPort();
      if (await hold(port)) return port;
    }
    throw new PortTaken(what, FIRST);
  };
  const chosen: [string, number][] = [];
  try {
    for (const [what, wish] of Object.entries<PortWish>(wishes)) chosen.push([what, await choose(what, wish)]);
  } finally {
    await Promise.all(held.map((server) => once(server.close(), 'close')));
  }
  return Object.fromEntries(chosen) as Record<Name, number>;
}

/** Below the range from which the system takes ports for outgoing connections, so that it stays free until it is used. */
const FIRST = 20_000;
const LAST = 32_000;

function randomPort(): number {
  return FIRST + Math.floor(Math.random() * (LAST - FIRST));
}
