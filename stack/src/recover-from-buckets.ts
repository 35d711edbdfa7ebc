import { rm } from 'node:fs/promises';
import { RECOVERY_FILE } from './given-files.js';
import { asOperator } from './operator-commands.js';

/**
 * `[BUCKETS_RECOVERY_FILE=…] npm run recover-from-buckets [-- --dry-run]`: projects, keys and backups from the buckets,
 * after NATS and Postgres were both lost.
 */
await asOperator(async (operator) => {
  const file = await operator.writeBuckets();
  try {
    return await operator.run('apps/api/dist/recover-from-buckets.js', {
      args: process.argv.slice(2),
      settings: { [RECOVERY_FILE]: file },
    });
  } finally {
    await rm(file, { force: true });
  }
});
