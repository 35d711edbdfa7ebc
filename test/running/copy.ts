import { readFile } from 'node:fs/promises';
import { service } from '../../stack/src/services.js';
import { choosePorts } from '../../stack/src/ports.js';
import { Supervised } from '../../stack/src/processes/supervised.js';
import type { Product } from './product.js';

/** One more process of a service, run as the one that is running is, but for its port and the settings given. */
export interface Copy extends AsyncDisposable {
  url: string;
  kill(): Promise<void>;
}

/** @param named such as `api` or `worker-eu-1`, which must be running */
export async function startCopy(product: Product, named: string, settings: Record<string, string> = {}): Promise<Copy> {
  const original = await environmentOf(product.pid(named));
  const { port } = await choosePorts({ port: {} });
  const copy = new Supervised(
    service({
      name: `${named}-copy`,
      app: named.startsWith('worker-') ? 'backup-worker' : named,
      port,
      settings: { ...original, ...settings },
    }),
    {
      line: (part, line) => product.lines.push({ part, line }),
      note: (part, line) => product.lines.push({ part, line }),
      changed: () => undefined,
    },
  );
  await copy.start();
  return {
    url: `http://127.0.0.1:${port}`,
    kill: () => copy.kill('SIGKILL'),
    [Symbol.asyncDispose]: () => copy.stop(),
  };
}

async function environmentOf(pid: number | null): Promise<Record<string, string>> {
  if (pid === null) throw new RangeError('What is to be copied does not run.');
  const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter(Boolean);
  const pairs = variables.map((variable) => {
    const at = variable.indexOf('=');
    return [variable.slice(0, at), variable.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs.filter(([name]) => name.startsWith('BUCKETS_')));
}
