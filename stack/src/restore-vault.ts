import { rm } from 'node:fs/promises';
import { BUCKET_CREDENTIALS_FILE } from './given-files.js';
import { asOperator } from './operator-commands.js';

/**
 * `[BUCKETS_BUCKET_CREDENTIALS_FILE=…] npm run restore-vault`: the keys of projects from the buckets, after Postgres was
 * lost. The file has the credentials of buckets that are not the stack's own.
 */
await asOperator(async (operator) => {
  const file = await operator.writeBucketCredentials();
  try {
    return await operator.run('apps/api/dist/restore-vault.js', { settings: { [BUCKET_CREDENTIALS_FILE]: file } });
  } finally {
    await rm(file, { force: true });
  }
});
