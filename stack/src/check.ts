import { runChecks } from './checks.js';

/** `npm run check`: format, lint, imports and types. `npm run format` puts right what can be. */
const failed = await runChecks({ fix: process.argv.includes('--fix') });
process.exitCode = failed.length === 0 ? 0 : 1;
