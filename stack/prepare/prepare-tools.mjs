import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { besides, sha256Of, UNFINISHED, writeAtomically } from './files.mjs';
import { dropLock, takeLock } from './lock.mjs';
import { missingFor, obtain } from './obtain.mjs';
import { find, isProgram, run } from './run.mjs';
import { Advice, say, showProgress } from './say.mjs';
import { TOOLS } from './tools.mjs';

/**
 * Sees to it that the tools are in `.tools/bin`: fitting ones from PATH, else ours from the user's cache, which the
 * clones share. What is not there is fetched or built.
 */
export async function prepareTools(root, wanted = TOOLS) {
  const cache = cacheFolder(root);
  const tools = wanted.filter((tool) => !isGoneWithout(root, tool));
  const found = await Promise.all(tools.map(async (tool) => (await onPath(tool)) ?? (await inCache(tool, cache))));
  const absent = tools.filter((_, index) => found[index] === undefined);
  const advice = absent.map(missingFor).filter(Boolean);
  if (advice.length > 0) throw new Advice(advice.join('\n'));
  const results = await Promise.allSettled(
    tools.map(async (tool, index) => link(root, tool, found[index] ?? (await makeInCache(tool, cache)))),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** What the machine cannot have, and need not. It is said, as what it would have done is not done. */
function isGoneWithout(root, tool) {
  const missing = tool.isOptional ? missingFor(tool) : undefined;
  if (missing === undefined) return false;
  say(`Without ${tool.name}: ${missing}`);
  rmSync(join(root, '.tools', 'bin', tool.linkedAs ?? tool.name), { force: true });
  return true;
}

async function onPath(tool) {
  const program = find(tool.name);
  return program && tool.fits(await versionOf(tool, program)) ? program : undefined;
}

/** A program that a clone has put there before, if it is still the one it was. */
async function inCache(tool, cache) {
  const program = join(folderOf(tool, cache), 'bin', tool.name);
  if (!isProgram(program)) return undefined;
  await checkHash(program, join(folderOf(tool, cache), 'receipt.json'));
  if ((await versionOf(tool, program)).join('.') !== tool.version) {
    throw new Advice(`${program} is not version ${tool.version}: delete its folder and run this again.`);
  }
  return program;
}

/** Whether a program is still the one that was obtained. One that has not been touched since is not hashed again. */
async function checkHash(program, receipt) {
  const { size, mtimeMs, ctimeMs } = statSync(program);
  const state = JSON.stringify({ size, mtimeMs, ctimeMs });
  const known = existsSync(receipt) ? JSON.parse(readFileSync(receipt, 'utf8')) : undefined;
  if (known?.state === state) return;
  const hash = await sha256Of(program);
  if (known && known.hash !== hash) {
    throw new Advice(`${program} has been changed (sha256 ${hash}): delete its folder and run this again.`);
  }
  writeAtomically(receipt, JSON.stringify({ state, hash }));
}

/** One clone at a time makes a tool; the others wait for it. A maker that died is replaced. */
async function makeInCache(tool, cache) {
  const lock = `${folderOf(tool, cache)}.lock`;
  for (let told = false; takeLock(lock) !== undefined; await delay(1000)) {
    if (!told) say(`Another clone is getting ${tool.name} right now; waiting for it …`);
    told = true;
    showProgress(`${tool.name}: still waiting`);
  }
  try {
    const made = await inCache(tool, cache);
    if (made) return made;
    const unfinished = `${folderOf(tool, cache)}${UNFINISHED}`;
    await obtain(tool, unfinished);
    await checkHash(join(unfinished, 'bin', tool.name), join(unfinished, 'receipt.json'));
    rmSync(folderOf(tool, cache), { recursive: true, force: true });
    renameSync(unfinished, folderOf(tool, cache));
    const program = await inCache(tool, cache);
    if (!program) throw new Error(`${tool.name} was made, but is not in ${folderOf(tool, cache)}.`);
    removeAbandoned(tool, cache);
    return program;
  } finally {
    dropLock(lock);
  }
}

/** What was begun of other editions, and nobody goes on with. */
function removeAbandoned({ name }, cache) {
  for (const folder of readdirSync(cache)) {
    if (!folder.startsWith(`${name}-`) || !folder.endsWith(UNFINISHED)) continue;
    const isBeingMade = existsSync(join(cache, folder.replace(UNFINISHED, '.lock')));
    if (!isBeingMade) rmSync(join(cache, folder), { recursive: true, force: true });
  }
}

async function versionOf(tool, program) {
  try {
    const output = await run(program, tool.versionArgs);
    return (/\d+\.\d+(\.\d+)?/.exec(output)?.[0] ?? '').split('.').map(Number);
  } catch {
    return []; // A program that cannot say its version is not used.
  }
}

function link(root, tool, program) {
  const folder = join(root, '.tools', 'bin');
  mkdirSync(folder, { recursive: true });
  const name = tool.linkedAs ?? tool.name;
  const temporary = besides(join(folder, name));
  symlinkSync(program, temporary);
  renameSync(temporary, join(folder, name));
}

function folderOf(tool, cache) {
  return join(cache, `${tool.name}-${tool.edition ?? tool.version}-${tool.platform}`);
}

/** Below the user's cache folder; inside the clone where there is none that can be written. */
function cacheFolder(root) {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(base, 'buckets', 'tools');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return join(root, '.tools', 'cache');
  }
}
