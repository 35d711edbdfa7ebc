import { readFile } from 'node:fs/promises';
import { choosePorts } from '../../stack/src/ports.js';
import { Supervised } from '../../stack/src/processes/supervised.js';
import type { Product } from './product.js';

/** One more process of a service, run as the one that is running is, but for its port and the settings given. */
export interface Copy extends AsyncDisposable {
  url: string;
}

/** @param named such as `api` or `worker-eu-1`, which must be running */
export async function startCopy(product: Product, named: string, settings: Record<string, string> = {}): Promise<Copy> {
  const { command, environment } = await runningAs(product.pid(named));
  const { port } = await choosePorts({ port: {} });
  const url = `http://127.0.0.1:${port}`;
  const [file = '', ...args] = command;
  const say = (part: string, line: string) => void product.lines.push({ part, line });
  const copy = new Supervised(
    {
      name: `${named}-copy`,
      command: () =>
        Promise.resolve({
          file,
          args,
          cwd: product.dataDir,
          env: { ...environment, ...settings, BUCKETS_HTTP_PORT: String(port) },
        }),
      ready: async () => (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok,
      stopWith: 'SIGTERM',
      stopWithinMs: 25_000,
    },
    { line: say, note: say, changed: () => undefined },
  );
  await copy.start();
  return { url, [Symbol.asyncDispose]: () => copy.stop() };
}

async function runningAs(pid: number | null): Promise<{ command: string[]; environment: Record<string, string> }> {
  if (pid === null) throw new RangeError('What is to be copied does not run.');
  const [command, variables] = await Promise.all(['cmdline', 'environ'].map((name) => strings(`/proc/${pid}/${name}`)));
  return { command: command!, environment: Object.fromEntries(variables!.map(split)) as Record<string, string> };
}

async function strings(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\0').slice(0, -1);
}

function split(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return [variable.slice(0, at), variable.slice(at + 1)];
}
