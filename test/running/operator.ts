import { join } from 'node:path';
import { execa } from 'execa';
import { CLONE } from '../../stack/src/clone.js';
import { secretsIn } from '../../stack/src/secrets.js';
import type { Product } from './product.js';

const NODE = join(CLONE, 'node_modules', '.bin', 'node');

/** Runs a command of the API by itself, with settings beyond those of the running stack. */
export async function operatorOfApi({ dataDir, stack }: Product, command: string, settings: Record<string, string>) {
  const { natsUrl, postgresUrl } = stack.access;
  const { controlCredentials, platformKeyFile } = await secretsIn(join(dataDir, 'secrets'));
  const env = {
    ...{ BUCKETS_NATS_URL: natsUrl, BUCKETS_NATS_CREDS_FILE: controlCredentials.api },
    ...{ BUCKETS_POSTGRES_URL: postgresUrl, BUCKETS_PLATFORM_KEY_FILE: platformKeyFile, ...settings },
  };
  return { running: execa(NODE, [join(CLONE, 'apps', 'api', 'dist', `${command}.js`)], { env, timeout: 90_000 }) };
}

/** Runs what `npm run <command>` runs, on this product. @returns what it printed, but for the log */
export async function operator(product: Product, command: string, ...args: string[]): Promise<string> {
  return operatorWith(product, {}, command, ...args);
}

/** The same, with settings of the operator's. */
export async function operatorWith(
  product: Product,
  settings: Record<string, string>,
  command: string,
  ...args: string[]
): Promise<string> {
  const program = join(CLONE, 'stack', 'dist', `${command}.js`);
  const env = { BUCKETS_DATA_DIR: product.dataDir, ...settings };
  const { stdout } = await execa(NODE, [program, ...args], { env, timeout: 90_000 });
  return stdout;
}
