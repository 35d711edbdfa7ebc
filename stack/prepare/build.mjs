import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { filesIn, UNFINISHED, writeAtomically } from './files.mjs';

/**
 * Compiles the TypeScript of every package, `X/src` to `X/dist`: what has changed since the last time, by content.
 * Types are checked elsewhere (`npm run check`).
 *
 * @returns {Promise<number>} how many files were compiled
 */
export async function build(root) {
  const require = createRequire(join(root, 'package.json'));
  const swc = require('@swc/core');
  const stateFile = join(root, 'node_modules', '.cache', 'buckets', 'build.json');
  const compiler = sha256(swc.version, readFileSync(join(root, '.swcrc')));
  const known = readState(stateFile, compiler);
  const state = {};
  let compiled = 0;

  await Promise.all(
    packagesOf(root).map(async (folder) => {
      const sources = filesIn(join(folder, 'src')).filter((file) => !/\.(test|d)\.ts$/.test(file));
      const outputs = new Set();
      await Promise.all(
        sources.map(async (file) => {
          const source = join(folder, 'src', file);
          const output = join(folder, 'dist', file.replace(/\.ts$/, '.js'));
          outputs.add(output);
          const content = readFileSync(source);
          const hash = sha256(content);
          const key = relative(root, source);
          state[key] = hash;
          if (known[key] === hash && existsSync(output)) return;
          writeAtomically(output, file.endsWith('.ts') ? await compile(swc, root, source, output, content) : content);
          compiled++;
        }),
      );
      removeOthers(join(folder, 'dist'), outputs);
    }),
  );
  writeAtomically(stateFile, JSON.stringify({ compiler, files: state }));
  return compiled;
}

async function compile(swc, root, source, output, content) {
  const { code } = await swc.transform(content.toString(), {
    filename: source,
    sourceFileName: relative(dirname(output), source),
    configFile: join(root, '.swcrc'),
    swcrc: false,
  });
  return code;
}

function packagesOf(root) {
  const under = (folder) =>
    (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []).map((name) => join(folder, name));
  return [...under('apps'), ...under('libs'), 'stack', 'bench']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(join(folder, 'src')));
}

/** An output without a source would still be imported. What another build is writing right now stays. */
function removeOthers(folder, outputs) {
  if (!existsSync(folder)) return;
  for (const file of filesIn(folder)) {
    if (!outputs.has(join(folder, file)) && !file.endsWith(UNFINISHED)) rmSync(join(folder, file), { force: true });
  }
}

function readState(file, compiler) {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8'));
    return state.compiler === compiler ? state.files : {};
  } catch {
    return {}; // Not there or cut short: everything is compiled again.
  }
}

function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
