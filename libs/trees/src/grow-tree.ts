import { mkdir, open, writeFile } from 'node:fs/promises';
import { applyMetadata } from './apply-metadata.js';
import { Bed } from './bed.js';
import { HARD_CASES, SOWINGS, type HardCase, type Sowing } from './hard-cases.js';
import type { Planted } from './planted.js';
import { Random } from './random.js';
import { readablePath, type RawPath } from './raw-path.js';

export interface GrowTreeOptions {
  /** The same seed and options give the same tree on every machine, up to what the user may do there. */
  seed: number;
  /** Files of 0 to 8 KiB, at most 100 in one folder. */
  smallFiles: number;
  /** Bytes in larger files: of 8 MiB, partly repeated within and between them. */
  bytes: number;
  /** Whether to add one folder for each of HARD_CASES. */
  hardCases: boolean;
  /** Length of the sparse file among the hard cases, of which three blocks are real. Default 1 GiB. */
  sparseBytes?: number;
}

export interface GrownTree {
  /** What stands for each case, as paths below the folder. */
  hardCases: Partial<Record<HardCase, RawPath[]>>;
  /** What this user or this file system does not allow. */
  leftOut: { hardCase: HardCase; reason: string }[];
}

/** Fills a folder, which must be empty or not exist. Needs python3, and root for some of the hard cases. */
export async function growTree(folder: string, options: GrowTreeOptions): Promise<GrownTree> {
  const random = new Random(`tree ${options.seed}`);
  await mkdir(folder, { recursive: true });
  const { sown, leftOut } = options.hardCases ? await sowHardCases(folder, options) : { sown: [], leftOut: [] };
  const planted: Sown[] = [
    { path: '' },
    ...(await growSmallFiles(folder, options.smallFiles, random)),
    ...(await growLargeFiles(folder, options.bytes, random)),
    ...sown,
  ];
  const grown: GrownTree = { hardCases: {}, leftOut };
  for (const { entry, reason } of await applyMetadata(
    folder,
    planted.map((entry) => dated(entry, options.seed)),
  )) {
    if (entry.hardCase === undefined) throw new Error(`${folder}: ${readablePath(entry.path)}: ${reason}`);
    grown.leftOut.push({ hardCase: entry.hardCase, reason: `${readablePath(entry.path)}: ${reason}` });
  }
  const missing = new Set(grown.leftOut.map(({ hardCase }) => hardCase));
  for (const { hardCase, path } of planted) {
    if (hardCase !== undefined && !missing.has(hardCase)) (grown.hardCases[hardCase] ??= []).push(path);
  }
  return grown;
}

/** What is planted, with the hard case that it stands for, if it does. */
type Sown = Planted & { hardCase?: HardCase };

const FILES_IN_A_FOLDER = 100;
const FOLDERS = 'src docs notebooks data/raw data/tables site/pages site/assets/icons tests/cases'.split(' ');
const ENDINGS = 'ts md json py csv html bin'.split(' ');
const WORDS = 'the of bucket host project region backup restores changed file kept and read again name'.split(' ');

async function growSmallFiles(folder: string, count: number, random: Random): Promise<Planted[]> {
  const planted: Planted[] = [];
  for (let first = 0; first < count; first += FILES_IN_A_FOLDER) {
    const group = `${FOLDERS[(first / FILES_IN_A_FOLDER) % FOLDERS.length]}/${first / FILES_IN_A_FOLDER}`;
    await mkdir(`${folder}/${group}`, { recursive: true });
    const files = Array.from({ length: Math.min(FILES_IN_A_FOLDER, count - first) }, (_, index) => {
      const ending = random.pick(ENDINGS);
      const length = random.below(8193);
      const content = ending === 'bin' ? random.bytes(length) : textOf(length, random);
      return { path: `${group}/${random.pick(WORDS)}-${first + index}.${ending}`, content };
    });
    await Promise.all(files.map(({ path, content }) => writeFile(`${folder}/${path}`, content, { flag: 'wx' })));
    planted.push(...foldersAbove(group), ...files.map(({ path }) => ({ path })));
  }
  return distinct(planted);
}

const LARGE_FILE_BYTES = 8 * 1024 * 1024;
const SEGMENT_BYTES = 512 * 1024;

async function growLargeFiles(folder: string, bytes: number, random: Random): Promise<Planted[]> {
  if (bytes === 0) return [];
  await mkdir(`${folder}/media`);
  const planted: Planted[] = [{ path: 'media' }];
  const repeated = random.bytes(2 * SEGMENT_BYTES);
  for (let start = 0; start < bytes; start += LARGE_FILE_BYTES) {
    const path = `media/recording-${start / LARGE_FILE_BYTES}.raw`;
    await using file = await open(`${folder}/${path}`, 'wx');
    const end = Math.min(bytes, start + LARGE_FILE_BYTES);
    for (let at = start; at < end; at += SEGMENT_BYTES) {
      const isRepeated = random.below(3) === 0;
      const offset = random.below(SEGMENT_BYTES);
      const segment = isRepeated ? repeated.subarray(offset, offset + SEGMENT_BYTES) : random.bytes(SEGMENT_BYTES);
      await file.writeFile(segment.subarray(0, end - at));
    }
    planted.push({ path });
  }
  return planted;
}

async function sowHardCases(folder: string, { seed, sparseBytes = 1024 ** 3 }: GrowTreeOptions) {
  const sown: Sown[] = [{ path: 'hard-cases' }];
  const leftOut: GrownTree['leftOut'] = [];
  const isRoot = process.geteuid?.() === 0;
  for (const hardCase of HARD_CASES) {
    const { needsRoot, sow }: Sowing = SOWINGS[hardCase];
    if (needsRoot !== undefined && !isRoot) {
      leftOut.push({ hardCase, reason: `needs root: ${needsRoot}` });
      continue;
    }
    const place = `hard-cases/${hardCase.replaceAll(/[ ,]+/g, '-')}`;
    await mkdir(`${folder}/${place}`, { recursive: true });
    const bed = new Bed(`${folder}/${place}`, new Random(`${hardCase} ${seed}`), sparseBytes);
    await sow(bed);
    sown.push({ path: place }, ...bed.planted.map((entry) => ({ ...entry, path: `${place}/${entry.path}`, hardCase })));
  }
  return { sown, leftOut };
}

/** An entry without a time of its own gets one from the last years, to the nanosecond. */
function dated<P extends Planted>(entry: P, seed: number): P {
  const random = new Random(`time ${seed} ${entry.path}`);
  const seconds = 1_500_000_000 + random.below(250_000_000);
  return { mtimeNs: BigInt(seconds) * 1_000_000_000n + BigInt(random.below(1_000_000_000)), ...entry };
}

function textOf(length: number, random: Random): string {
  let text = '';
  for (const byte of random.bytes(Math.ceil(length / 4))) {
    text += `${WORDS[byte % WORDS.length]}${byte < 20 ? '.\n' : ' '}`;
  }
  return text.slice(0, length);
}

function foldersAbove(path: string): Planted[] {
  const parts = path.split('/');
  return parts.map((_, index) => ({ path: parts.slice(0, index + 1).join('/') }));
}

function distinct(planted: readonly Planted[]): Planted[] {
  return [...new Map(planted.map((entry) => [entry.path, entry])).values()];
}
