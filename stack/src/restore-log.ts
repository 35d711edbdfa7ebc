import { asOperator } from './operator-commands.js';

/** `npm run restore-log`: the log from the journal in Postgres, after the folder of NATS was lost or is an older copy. */
await asOperator((operator) => operator.run('apps/api/dist/restore-log.js'));
