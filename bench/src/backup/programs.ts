import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findTool } from '@buckets/real-parts';
import { growTree } from '@buckets/trees';
import { BareRustic, PASSWORD } from '../bare-rustic.js';
import { median, seconds } from '../figures.js';
import { measuredRun, type Measured } from '../measured-run.js';
import type { Product } from '../product.js';
import { growLargeFiles } from './large-files.js';

const STEPS = ['first backup', 'backup without a change', 'restore'] as const;
type Step = (typeof STEPS)[number];

/** A program that backs up, and what it is told for each step. */
interface Side {
  readonly name: string;
  readonly run: (step: Step | 'init', round: number) => Promise<Measured>;
}

/** What the programs back up, and how many times the others' time each step may take at most. */
export interface ProgramsTree {
  readonly id: string;
  readonly what: string;
  readonly hasManyFiles: boolean;
  readonly grow: (folder: string) => Promise<unknown>;
  readonly goals: Readonly<Record<Step, { stock: number; restic?: number }>>;
}

const NOT_SLOWER = { stock: 1.02 };

export const SMALL_FILES: ProgramsTree = {
  id: 'small-files',
  what: '20,000 files of 4 kB on average',
  hasManyFiles: true,
  grow: (folder) => growTree(folder, { seed: 3, smallFiles: 20_000, bytes: 0, hardCases: false }),
  goals: {
    'first backup': { stock: 0.5, restic: 1 },
    'backup without a change': NOT_SLOWER,
    restore: NOT_SLOWER,
  },
};

export const LARGE_FILES: ProgramsTree = {
  id: 'large-files',
  what: '1.2 GB in 12 files',
  hasManyFiles: false,
  grow: growLargeFiles,
  goals: { 'first backup': NOT_SLOWER, 'backup without a change': NOT_SLOWER, restore: NOT_SLOWER },
};

/** The rustic that Buckets builds beside stock rustic and, where there is one, restic: programs alone, in turns. */
export async function programs(product: Product, rounds: number, tree: ProgramsTree): Promise<void> {
  const { dataDir, access } = product.stack;
  const source = join(dataDir, 'programs');
  const restored = join(dataDir, 'programs-restored');
  await tree.grow(source);
  const stock = await findTool('rustic-stock').catch(async () => {
    await execa('npm', ['run', '--silent', 'stock-rustic'], { stdio: ['ignore', 2, 2] });
    return findTool('rustic-stock');
  });
  await using ours = await BareRustic.create(access.rusticPath);
  await using theirs = await BareRustic.create(stock);
  const restic = await findTool('restic').catch(() => undefined);
  const work = { id: tree.id, source, restored };
  const sides: Side[] = [
    rusticSide('Buckets’ rustic', product, ours, work),
    rusticSide('stock rustic', product, theirs, work),
    ...(restic === undefined ? [] : [resticSide(product, restic, work)]),
  ];
  const measured = sides.map(() => ({ [STEPS[0]]: [], [STEPS[1]]: [], [STEPS[2]]: [] }) as Record<Step, Measured[]>);
  for (let round = 0; round < rounds; round++) {
    // Who begins changes from round to round.
    for (const index of sides.map((_, each) => (each + round) % sides.length)) {
      await sides[index]!.run('init', round);
      for (const step of STEPS) {
        await execa('sync');
        measured[index]![step].push(await sides[index]!.run(step, round));
      }
      // A file system is slow to use again what was deleted in the last minutes: many files stay until the end.
      if (!tree.hasManyFiles) await rm(restored, { recursive: true, force: true });
    }
  }
  for (const folder of [source, restored]) await rm(folder, { recursive: true, force: true });
  for (const step of STEPS) {
    console.log(`\n${tree.what}, ${step} (${rounds} rounds, medians)`);
    const walls = measured.map((side) => median(side[step].map(({ wallMs }) => wallMs)));
    for (const [index, { name }] of sides.entries()) {
      const middle = (of: keyof Measured) => median(measured[index]![step].map((each) => each[of]));
      const goal = [undefined, tree.goals[step].stock, tree.goals[step].restic][index];
      const ratio = walls[0]! / walls[index]!;
      console.log(
        `  ${name.padEnd(16)} ${seconds(walls[index]!)}, processor ${seconds(middle('processorMs'))}, ` +
          `at most ${Math.round(middle('peakBytes') / 1e6)} MB` +
          (index === 0 ? '' : `; ratio ${ratio.toFixed(2)}`) +
          (goal === undefined ? '' : `, goal at most ${goal.toFixed(2)}: ${ratio <= goal ? 'met' : 'NOT MET'}`),
      );
    }
  }
}

/** What all sides do in turns. */
interface Work {
  readonly id: string;
  readonly source: string;
  /** Holds a folder for each restore. */
  readonly restored: string;
}

function rusticSide(name: string, { stack }: Product, rustic: BareRustic, { id, source, restored }: Work): Side {
  return {
    name,
    run: async (step, round) => {
      const repository = `${id}-${name.replace(/\W/g, '-')}-${round}`;
      if (step === 'init') await rustic.profile(stack, repository, `bench/${repository}`, PASSWORD);
      return rustic.measure(
        repository,
        {
          init: ['init'],
          'first backup': rustic.backupArguments(source),
          'backup without a change': rustic.backupArguments(source),
          restore: ['restore', '--numeric-id', 'latest', join(restored, repository)],
        }[step],
      );
    },
  };
}

function resticSide({ stack }: Product, program: string, { id, source, restored }: Work): Side {
  const { endpoint, region, accessKeyId, secretAccessKey, buckets } = stack.access.s3;
  const env = {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: region,
    RESTIC_PASSWORD: PASSWORD,
    RESTIC_CACHE_DIR: join(stack.dataDir, 'restic-cache'),
  };
  return {
    name: 'restic',
    run: (step, round) => {
      const repository = ['-r', `s3:${endpoint}/${buckets[0]}/bench/${id}-restic-${round}`, '--quiet'];
      const args = {
        init: ['init'],
        'first backup': ['backup', source],
        'backup without a change': ['backup', source],
        restore: ['restore', 'latest', '--target', join(restored, `restic-${round}`)],
      }[step];
      return measuredRun(program, [...repository, ...args], { env, cwd: source });
    },
  };
}
