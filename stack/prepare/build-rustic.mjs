import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changeSource, readChange } from './change-sources.mjs';
import { sha256Of, sha256OfText } from './files.mjs';
import { run } from './run.mjs';
import { Advice } from './say.mjs';

/** What our rustic is made of. */
const RUSTIC = join(dirname(dirname(fileURLToPath(import.meta.url))), 'rustic');

/** Such as `0.11.4+buckets.1`: the published version, and how often our changes have changed. */
export const OUR_VERSION = /^version = "(.+)"$/m.exec(readFileSync(join(RUSTIC, 'Cargo.toml'), 'utf8'))[1];

/** What it is made of: paths from the folder of the sources. */
function sources() {
  const changes = readdirSync(join(RUSTIC, 'changes')).filter((name) => name.endsWith('.change'));
  return [
    ...[
      'Cargo.toml',
      'Cargo.lock',
      'src/main.rs',
      'originals/Cargo.toml',
      'originals/Cargo.lock',
      'originals/src/lib.rs',
    ],
    ...changes.sort().map((name) => join('changes', name)),
  ];
}

/** Tells one state of what our rustic is made of, and of how, from every other. */
export function fingerprint() {
  const here = dirname(fileURLToPath(import.meta.url));
  const how = ['build-rustic.mjs', 'change-sources.mjs'].map((name) => join(here, name));
  const files = [...sources().map((path) => join(RUSTIC, path)), ...how];
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
  const host = /^host: (\S+)$/m.exec(await run('rustc', ['-vV']))[1];
  for (const path of sources()) {
    mkdirSync(dirname(join(crate, path)), { recursive: true });
    cpSync(join(RUSTIC, path), join(crate, path), { preserveTimestamps: true });
  }
  await changeLibraries(crate, host);
  // Wherever the user's settings would have it built: here, and for this machine.
  await run('cargo', ['build', '--release', '--locked', '--color=never', `--target=${host}`], {
    cwd: crate,
    env: {
      CARGO_TARGET_DIR: target,
      PROJECT_VERSION: OUR_VERSION,
      RUSTFLAGS: '--cap-lints=warn',
      CARGO_TERM_QUIET: 'false',
    },
    onLine,
  });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  renameSync(join(target, host, 'release', 'rustic'), join(folder, 'bin', 'rustic'));
  for (const left of [crate, target]) rmSync(left, { recursive: true, force: true });
}

/** Takes the published libraries, as cargo has fetched them, and makes our changes in copies of them. */
async function changeLibraries(crate, host) {
  const originals = join(crate, 'originals');
  await run('cargo', ['fetch', '--locked', '--target', host], { cwd: originals });
  const metadata = ['metadata', '--format-version=1', '--locked', '--offline', `--filter-platform=${host}`];
  const { packages } = JSON.parse(await run('cargo', metadata, { cwd: originals, whole: true }));
  const wanted = changes().flatMap((change) => change.sources);
  for (const [name, ofCrate] of byKey(wanted, (source) => source.crate)) {
    const [{ version }] = ofCrate;
    const found = packages.find((found) => found.name === name && found.version === version);
    if (!found) throw new Error(`${name} ${version} is not among the libraries that cargo has fetched.`);
    const original = dirname(found.manifest_path);
    const changed = join(crate, 'changed', name);
    await unpack(archiveOf(original), changed, checksumOf(originals, name, version));
    for (const [path, ofFile] of byKey(ofCrate, (source) => source.path)) {
      const source = join(changed, path);
      writeFileSync(source, changeSource(readFileSync(source, 'utf8'), ofFile));
    }
  }
}

/** Cargo keeps what it has fetched beside what it has unpacked of it: `registry/cache/` and `registry/src/`. */
function archiveOf(unpacked) {
  const registry = dirname(unpacked);
  return join(dirname(dirname(registry)), 'cache', basename(registry), `${basename(unpacked)}.crate`);
}

function checksumOf(originals, name, version) {
  const lock = readFileSync(join(originals, 'Cargo.lock'), 'utf8').split('\n\n');
  const entry = lock.find((each) => each.includes(`name = "${name}"\nversion = "${version}"\n`));
  return /^checksum = "([0-9a-f]{64})"$/m.exec(entry)[1];
}

/** Cargo compares hashes when it fetches; what lies unpacked since then, anybody may have changed. */
async function unpack(archive, folder, checksum) {
  const hash = await sha256Of(archive);
  if (hash !== checksum)
    throw new Advice(`${archive} is not what was published (sha256 ${hash}): delete it and look why.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', '--no-same-owner']);
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
