import { asOperator } from './operator-commands.js';

/** `npm run rebuild-projections`: the tables of all services anew from the log. Sends nothing. */
await asOperator(async (operator) => {
  const codes = [await operator.run('apps/api/dist/rebuild.js'), await operator.run('apps/scheduler/dist/rebuild.js')];
  return Math.max(...codes);
});
