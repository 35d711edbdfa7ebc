import { HeldPorts } from '@buckets/real-parts';

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
  await using held = new HeldPorts();
  const choose = async (what: string, { fixed, rather = [] }: PortWish): Promise<number> => {
    if (fixed !== undefined) {
      if (await held.hold(fixed)) return fixed;
      throw new PortTaken(what, fixed);
    }
    for (const port of rather) if (await held.hold(port)) return port;
    return held.holdAny();
  };
  const chosen: [string, number][] = [];
  for (const [what, wish] of Object.entries<PortWish>(wishes)) chosen.push([what, await choose(what, wish)]);
  return Object.fromEntries(chosen) as Record<Name, number>;
}
