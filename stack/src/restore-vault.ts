import { asOperator } from './operator-commands.js';

/** `npm run restore-vault`: the keys of projects from the buckets, after Postgres was lost. */
await asOperator(async (operator) => {
  const file = await operator.writeBucketCredentials();
  return operator.run('apps/api/dist/restore-vault.js', { settings: { BUCKETS_BUCKET_CREDENTIALS_FILE: file } });
});
