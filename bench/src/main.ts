import { benchAccess } from './access/bench-access.js';
import { benchBackup } from './backup/bench-backup.js';
import { benchHistory } from './history/bench-history.js';
import { benchLarge } from './large/bench-large.js';
import { benchOperations } from './operations/bench-operations.js';
import { benchReplay } from './replay.js';
import { benchTick } from './tick/bench-tick.js';

const BENCHES: Record<string, (args: string[]) => Promise<void>> = {
  access: benchAccess,
  backup: benchBackup,
  history: benchHistory,
  large: benchLarge,
  operations: benchOperations,
  replay: benchReplay,
  tick: benchTick,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  console.error(`Say which benchmark: npm run bench -- ${Object.keys(BENCHES).join(' | ')}`);
  process.exitCode = 2;
} else {
  await bench(args);
}
