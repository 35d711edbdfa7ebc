import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './prepare/build.mjs';
import { identityOf, isAlive } from './prepare/lock.mjs';
import { nodeOf, preparePackages } from './prepare/prepare-packages.mjs';
import { prepareTools } from './prepare/prepare-tools.mjs';
import { heedSignals, Interruption, together } from './prepare/run.mjs';
import { Advice, say } from './prepare/say.mjs';
import { schemathesis, STOCK_RUSTIC, TOOLS } from './prepare/tools.mjs';

/*
 * Every task of package.json starts here: `node stack/prepare.mjs <task>`. A fresh clone has nothing, so this file and
 * those in prepare/ are plain JavaScript, need no package, and run on any Node.js from 18 on. They bring what is
 * missing, compile what has changed, and hand over to Node.js 24 (from the npm package `node`).
 */

const TASKS = {
  start: { run: 'stack/dist/start.js', needs: 'tools' },
  stop: { run: 'stack/dist/stop.js', needs: 'packages' },
  demo: { run: 'stack/dist/demo/main.js', needs: 'tools' },
  test: { run: 'stack/dist/test.js', needs: 'test-tools' },
  'test:faults': { run: 'stack/dist/test-faults.js', needs: 'tools' },
  check: { run: 'stack/dist/check.js', needs: 'packages' },
  format: { run: 'stack/dist/check.js', args: ['--fix'], needs: 'packages' },
  build: { needs: 'packages' },
  bench: { run: 'bench/dist/main.js', needs: 'tools' },
  'stock-rustic': { needs: 'stock-rustic' },
  'rebuild-projections': { run: 'stack/dist/rebuild-projections.js', needs: 'tools' },
  'restore-log': { run: 'stack/dist/restore-log.js', needs: 'tools' },
  'restore-vault': { run: 'stack/dist/restore-vault.js', needs: 'tools' },
  'recover-from-buckets': { run: 'stack/dist/recover-from-buckets.js', needs: 'tools' },
  'access-matrix': { run: 'apps/api/dist/access-matrix.js', needs: 'packages' },
  'recovery-password': { run: 'stack/dist/recovery-password.js', needs: 'tools' },
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const ignoreSignals = heedSignals();
try {
  process.exitCode = await main(process.argv[2], process.argv.slice(3));
} catch (error) {
  if (!(error instanceof Interruption)) say(error instanceof Advice ? error.message : (error.stack ?? error));
  process.exit(error.exitCode ?? 1); // Whatever still waits has nothing to wait for.
}

async function main(name, args) {
  const task = TASKS[name];
  if (!task) throw new Advice(`Say what to do: npm run ${Object.keys(TASKS).join(', npm run ')}.`);
  if (name === 'stop' && !existsSync(nodeOf(root))) {
    say('Buckets is not running.');
    return 0;
  }
  await together(
    async () => {
      await preparePackages(root);
      await build(root);
    },
    async () => {
      if (task.needs === 'tools') await prepareTools(root);
      if (task.needs === 'test-tools') await prepareTools(root, [...TOOLS, schemathesis()]);
      if (task.needs === 'stock-rustic') await prepareTools(root, [STOCK_RUSTIC]);
    },
  );
  return task.run ? handOver(join(root, task.run), [...(task.args ?? []), ...args]) : 0;
}

/** Runs a compiled program in place of this one; resolves to its exit code. */
function handOver(program, args) {
  const child = spawn(nodeOf(root), ['--enable-source-maps', program, ...args], {
    cwd: root,
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` },
    // It is told by the channel's end when this process has been killed.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  ignoreSignals();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  if (process.env.npm_lifecycle_event) followNpm(child);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/** When npm itself has been killed, nobody would end what it was asked to run. */
function followNpm(child) {
  const npm = identityOf(npmAbove(process.ppid));
  const watch = setInterval(() => {
    if (npm && isAlive(npm)) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 1000);
  watch.unref();
}

/** npm runs a script in a shell, which some shells leave to the script. */
function npmAbove(pid) {
  try {
    const [, name, parent] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return /sh$/.test(name) ? Number(parent) : pid;
  } catch {
    return pid; // Gone already.
  }
}
