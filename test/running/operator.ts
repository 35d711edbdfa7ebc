import { join } from 'node:path';
import { execa } from 'execa';
import { CLONE } from '../../stack/src/clone.js';
import type { Product } from './product.js';

/** Runs what `npm run <command>` runs, on this product. @returns what it printed, but for the log */
export async function operator(product: Product, command: string, ...args: string[]): Promise<string> {
  const node = join(CLONE, 'node_modules', '.bin', 'node');
  const program = join(CLONE, 'stack', 'dist', `${command}.js`);
  const env = { BUCKETS_DATA_DIR: product.dataDir };
  const { stdout } = await execa(node, [program, ...args], { env, timeout: 90_000 });
  return stdout;
}
