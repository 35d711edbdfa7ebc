import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { errorCode } from '../file-system/paths.js';

/** Another worker serves this data root: two would end each other's work and finish each other's restores. */
export class DataRootInUse extends Error {
  readonly code = 'data-root-in-use';

  constructor(dataRoot: string) {
    super(`Another worker serves ${dataRoot} already. Stop it first, or give this one a folder of its own.`);
    this.name = 'DataRootInUse';
  }
}

/**
 * Takes the data root for this process. The lock is a name in Linux's abstract socket namespace: one process has it,
 * and the kernel takes it back when that process ends, however it ends. Workers in different network namespaces do not
 * see each other's.
 *
 * @returns what gives it back
 * @throws {DataRootInUse}
 */
export async function lockDataRoot(dataRoot: string): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(dataRoot, { bigint: true });
  const server = createServer((connection) => connection.destroy());
  server.listen(`\0buckets-data-root-${dev}-${ino}`);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') throw new DataRootInUse(dataRoot);
    throw error;
  }
  server.unref();
  return async () => {
    server.close();
    await once(server, 'close');
  };
}
