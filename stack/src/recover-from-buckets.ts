import { rm } from 'node:fs/promises';
import { asOperator } from './operator-commands.js';

/**
 * `npm run recover-from-buckets [-- --dry-run]`: projects, keys and backups from the buckets, after NATS and Postgres were
 * both lost.
 */
await asOperator(async (operator) => {
  const file = await operator.writeBuckets();
  try {
    return await operator.run('apps/api/dist/recover-from-buckets.js', {
      args: process.argv.slice(2),
      settings: { BUCKETS_RECOVERY_FILE: file },
    });
  } finally {
    await rm(file, { force: true });
  }
});
