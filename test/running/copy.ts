import { readFile } from 'node:fs/promises';
import { choosePorts } from '../../stack/src/ports.js';
import { Supervised } from '../../stack/src/processes/supervised.js';
import type { Product } from './product.js';

/** How a service is run; a copy of it is run in the same way. */
export interface Run {
  file: string;
  args: string[];
  env: Record<string, string>;
}

/** @param named such as `api` or `worker-eu-1`, which must be running */
export async function runOf(product: Product, named: string): Promise<Run> {
  const pid = product.pid(named);
  if (pid === null) throw new RangeError(`${named} does not run, so there is nothing to see of how it is run.`);
  const [command, variables] = await Promise.all(['cmdline', 'environ'].map((name) => strings(`/proc/${pid}/${name}`)));
  const [file = '', ...args] = command!;
  return { file, args, env: Object.fromEntries(variables!.map(split)) as Record<string, string> };
}

/** One more process of a service, on a port of its own. */
export interface Copy extends AsyncDisposable {
  url: string;
  /** Undefined while it does not run. */
  pid: () => number | undefined;
}

export async function startCopy(
  product: Product,
  name: string,
  { file, args, env }: Run,
  settings: Record<string, string> = {},
): Promise<Copy> {
  const { port } = await choosePorts({ port: {} });
  const url = `http://127.0.0.1:${port}`;
  const say = (part: string, line: string) => void product.lines.push({ part, line });
  const copy = new Supervised(
    {
      name,
      command: () =>
        Promise.resolve({
          file,
          args,
          cwd: product.dataDir,
          env: { ...env, ...settings, BUCKETS_HTTP_PORT: String(port) },
        }),
      ready: async () => (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok,
      stopWith: 'SIGTERM',
      stopWithinMs: 25_000,
    },
    { line: say, note: say, changed: () => undefined },
  );
  await copy.start();
  return { url, pid: () => copy.pid, [Symbol.asyncDispose]: () => copy.stop() };
}

async function strings(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\0').slice(0, -1);
}

function split(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return [variable.slice(0, at), variable.slice(at + 1)];
}
