import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changeSource, readChange } from './change-sources.mjs';
import { sha256OfText } from './files.mjs';
import { run } from './run.mjs';

/** What our rustic is made of. */
const RUSTIC = join(dirname(dirname(fileURLToPath(import.meta.url))), 'rustic');

/** Such as `0.11.4+buckets.1`: the published version, and how often our changes have changed. */
export const OUR_VERSION = /^version = "(.+)"$/m.exec(readFileSync(join(RUSTIC, 'Cargo.toml'), 'utf8'))[1];

/** Tells one state of what our rustic is made of from every other. */
export function fingerprint() {
  const files = readdirSync(RUSTIC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  return sha256OfText(files.map((file) => sha256OfText(readFileSync(file, 'utf8'))).join('\n')).slice(0, 12);
}

/**
 * Builds rustic with our changes, and puts it at `<folder>/bin/rustic`. What an earlier build, cut short, has compiled
 * in that folder is used again.
 *
 * @param {string} folder ours alone
 * @param {(line: string) => void} onLine is given what cargo says
 */
export async function buildRustic(folder, onLine = () => undefined) {
  const crate = join(folder, 'crate');
  const target = join(folder, 'target');
  cpSync(RUSTIC, crate, { recursive: true, force: true });
  await changeLibraries(crate);
  await run('cargo', ['build', '--release', '--locked', '--color=never'], {
    cwd: crate,
    env: { CARGO_TARGET_DIR: target, PROJECT_VERSION: OUR_VERSION },
    onLine,
  });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  renameSync(join(target, 'release', 'rustic'), join(folder, 'bin', 'rustic'));
  for (const left of [crate, target]) rmSync(left, { recursive: true, force: true });
}

/** Takes the published libraries, as cargo has fetched and checked them, and makes our changes in copies of them. */
async function changeLibraries(crate) {
  const originals = join(crate, 'originals');
  const host = /^host: (\S+)$/m.exec(await run('rustc', ['-vV']))[1];
  await run('cargo', ['fetch', '--locked', '--target', host], { cwd: originals });
  const metadata = ['metadata', '--format-version=1', '--locked', '--offline', `--filter-platform=${host}`];
  const { packages } = JSON.parse(await run('cargo', metadata, { cwd: originals, whole: true }));
  const sources = changes().flatMap((change) => change.sources);
  for (const [name, wanted] of byKey(sources, (source) => source.crate)) {
    const [{ version }] = wanted;
    const found = packages.find((found) => found.name === name && found.version === version);
    if (!found) throw new Error(`${name} ${version} is not among the libraries that cargo has fetched.`);
    const original = dirname(found.manifest_path);
    const changed = join(crate, 'changed', name);
    cpSync(original, changed, { recursive: true, force: true, preserveTimestamps: true });
    for (const [path, ofFile] of byKey(wanted, (source) => source.path)) {
      writeFileSync(join(changed, path), changeSource(readFileSync(join(original, path), 'utf8'), ofFile));
    }
  }
}

function changes() {
  const folder = join(RUSTIC, 'changes');
  const names = readdirSync(folder).filter((name) => name.endsWith('.change'));
  return names.sort().map((name) => {
    try {
      return readChange(readFileSync(join(folder, name), 'utf8'));
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
  });
}

function byKey(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

// In containers: `node build-rustic.mjs FOLDER`.
if (process.argv[1] === fileURLToPath(import.meta.url)) await buildRustic(process.argv[2]);
