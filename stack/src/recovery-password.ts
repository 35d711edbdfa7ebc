import { asOperator } from './operator-commands.js';

/** `npm run recovery-password -- <projectId>`: how to open a project's repository with plain restic. */
await asOperator((operator) =>
  operator.run('apps/api/dist/recovery-password.js', {
    args: process.argv.slice(2),
    settings: { BUCKETS_LOG_LEVEL: 'error' },
  }),
);
