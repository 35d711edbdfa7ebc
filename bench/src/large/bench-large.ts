import { writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { HOSTS } from '@buckets/stack';
import { median } from '../figures.js';
import { Product } from '../product.js';
import { growFiles, growImage } from './large-trees.js';
import { watched, type Watched } from './process-watch.js';

const GOAL_PAUSE_MS = 50;
/** Until an operation has ended. */
const DEADLINE_MS = 12 * 3_600_000;
const REST_MS = 10_000;
const GB = 1e9;

/**
 * `npm run bench -- large`: what a project of a million files and a sparse image of 1 TB take of a worker. Each is backed up,
 * backed up once more without a change, lost, and restored with its check. Its disk has to hold each of them twice: some 10 GB.
 */
export async function benchLarge(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', description: 'files or image' },
      files: { type: 'string', default: '1000000' },
      folder: { type: 'string', default: '300000', description: 'of those, in one folder' },
      image: { type: 'string', default: '1000', description: 'length of the image, in GB' },
      filled: { type: 'string', default: '1', description: 'data in it, in GB' },
      rounds: { type: 'string', default: '1', description: 'backups without a change, and restores' },
    },
  });
  const [files, folder] = [Number(values.files), Math.min(Number(values.files), Number(values.folder))];
  const [image, filled] = [Number(values.image) * GB, Number(values.filled) * GB];
  console.log(`Large projects, on ${availableParallelism()} processors.`);
  await using product = await Product.start(HOSTS[0]!.hostId);
  const bench = new LargeBench(product, Number(values.rounds));
  await bench.atRest();
  if (values.only !== 'image') {
    const what = `${files.toLocaleString('en')} files, ${folder.toLocaleString('en')} of them in one folder`;
    await bench.project('files', what, (root) => growFiles(root, files, folder));
  }
  if (values.only !== 'files') {
    const what = `A sparse image of ${image / GB} GB with ${filled / GB} GB of data`;
    await bench.project('image', what, (root) => growImage(join(root, 'disk.img'), image, filled));
  }
  console.log(`\nNo pause over ${GOAL_PAUSE_MS} ms: ${bench.verdict()}`);
}

class LargeBench {
  /** Of each step, the one with the longest. */
  private readonly longest: Watched[] = [];

  constructor(
    private readonly product: Product,
    private readonly rounds: number,
  ) {}

  /** What this machine holds up by itself. */
  async atRest(): Promise<void> {
    const seen = await watched(this.pid, () => delay(REST_MS));
    console.log(`The worker at rest: ${pauseOf(seen)} in ${REST_MS / 1_000} s`);
  }

  async project(id: string, what: string, grow: (root: string) => Promise<void>): Promise<void> {
    const folder = await this.product.project(id);
    const root = join(folder, 'project');
    await this.done(`/v1/projects/${id}/backups`);
    await grow(root);
    await execa('sync');
    console.log(`\n${what} (${this.rounds} rounds, medians but for pauses and memory, which are the most)`);
    this.print('first backup', [await this.watched(`/v1/projects/${id}/backups`)]);
    const unchanged: Watched[] = [];
    const restores: Watched[] = [];
    for (let round = 0; round < this.rounds; round++) {
      unchanged.push(await this.watched(`/v1/projects/${id}/backups`));
      await removeTree(folder);
      restores.push(await this.watched(`/v1/projects/${id}/start`));
    }
    this.print('backup without a change', unchanged);
    this.print('restore, checked entry by entry', restores);
    // What one changed file costs, and that a project which came back is looked through whole.
    writeFileSync(join(root, 'one more'), 'changed');
    this.print('backup of one more file after it', [await this.watched(`/v1/projects/${id}/backups`)]);
    const { blocks } = await stat(join(root, (await readdir(root))[0]!));
    console.log(
      `  restored: ${(await readdir(root)).length} entries at the top, the first has ${blocks * 512} bytes on disk`,
    );
    await removeTree(folder);
  }

  /** A pause that also held up who has nothing to do, or that was a wait for a processor, says nothing about the worker. */
  verdict(): string {
    const over = this.longest.filter(({ longestPauseMs }) => longestPauseMs > GOAL_PAUSE_MS);
    if (over.length === 0) return 'met';
    const isTheMachines = over.every(
      (each) => each.longestPauseMs - Math.min(each.waitedMs, each.idlePauseMs) <= GOAL_PAUSE_MS,
    );
    return isTheMachines ? 'met, but for what the machine held up itself' : 'NOT MET';
  }

  private print(step: string, all: readonly Watched[]): void {
    const most = (of: (each: Watched) => number): number => Math.max(...all.map(of));
    const longest = all.toSorted((a, b) => b.longestPauseMs - a.longestPauseMs)[0]!;
    this.longest.push(longest);
    console.log(
      `  ${step.padEnd(34)} ${median(all.map(({ seconds }) => seconds))
        .toFixed(1)
        .padStart(7)} s` +
        `   worker ${megabytes(most(({ serviceBytes }) => serviceBytes))}, ${pauseOf(longest)}` +
        `   rustic ${megabytes(most(({ rusticBytes }) => rusticBytes))}`,
    );
  }

  private watched(path: string): Promise<Watched> {
    return watched(this.pid, () => this.done(path));
  }

  private get pid(): number {
    return this.product.stack.access.hosts.find(({ hostId }) => hostId === this.product.hostId)!.pid!;
  }

  private async done(path: string): Promise<void> {
    await this.product.done(path, {}, DEADLINE_MS);
  }
}

function pauseOf({ longestPauseMs, waitedMs, idlePauseMs }: Watched): string {
  const [longest, waited, idle] = [longestPauseMs, waitedMs, idlePauseMs].map((ms) => ms.toFixed(0));
  return `longest pause ${longest} ms (${waited} ms without a processor; ${idle} ms of a loop with nothing to do)`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** As if the host had lost it. */
async function removeTree(folder: string): Promise<void> {
  await execa('rm', ['-rf', '--', folder]);
}
