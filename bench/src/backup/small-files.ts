import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findTool } from '@buckets/real-parts';
import { growTree } from '@buckets/trees';
import { BareRustic, PASSWORD } from '../bare-rustic.js';
import { median, seconds } from '../figures.js';
import { measuredRun, type Measured } from '../measured-run.js';
import type { Product } from '../product.js';

const FILES = 20_000;
const STEPS = ['first backup', 'backup without a change', 'restore'] as const;
type Step = (typeof STEPS)[number];

/** A program that backs up, and what it is told for each step. */
interface Side {
  readonly name: string;
  readonly run: (step: Step | 'init', round: number) => Promise<Measured>;
}

/** The rustic that Buckets builds beside stock rustic and, where there is one, restic: programs alone, in turns. */
export async function smallFiles(product: Product, rounds: number): Promise<void> {
  const { dataDir, access } = product.stack;
  const source = join(dataDir, 'small-files');
  const destination = join(dataDir, 'small-files-restored');
  await growTree(source, { seed: 3, smallFiles: FILES, bytes: 0, hardCases: false });
  const stock = await findTool('rustic-stock').catch(async () => {
    await execa('npm', ['run', '--silent', 'stock-rustic'], { stdio: ['ignore', 2, 2] });
    return findTool('rustic-stock');
  });
  await using ours = await BareRustic.create(access.rusticPath);
  await using theirs = await BareRustic.create(stock);
  const restic = await findTool('restic').catch(() => undefined);
  const folders = { source, destination };
  const sides: Side[] = [
    rusticSide('Buckets’ rustic', product, ours, folders),
    rusticSide('stock rustic', product, theirs, folders),
    ...(restic === undefined ? [] : [resticSide(product, restic, folders)]),
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
      await rm(destination, { recursive: true, force: true });
    }
  }
  for (const step of STEPS) {
    console.log(`\n${FILES.toLocaleString('en')} files of 4 kB on average, ${step} (${rounds} rounds, medians)`);
    const walls = measured.map((side) => median(side[step].map(({ wallMs }) => wallMs)));
    for (const [index, { name }] of sides.entries()) {
      const middle = (of: keyof Measured) => median(measured[index]![step].map((each) => each[of]));
      console.log(
        `  ${name.padEnd(16)} ${seconds(walls[index]!)}, processor ${seconds(middle('processorMs'))}, ` +
          `at most ${Math.round(middle('peakBytes') / 1e6)} MB` +
          (index === 0 ? '' : `; Buckets’ takes ${(walls[0]! / walls[index]!).toFixed(2)} of that time`),
      );
    }
    if (step !== 'first backup') continue;
    const goals = [0.5, 1].slice(0, sides.length - 1).map((goal, other) => walls[0]! / walls[other + 1]! <= goal);
    const others = ['0.50 of stock rustic', '1.00 of restic'].slice(0, sides.length - 1).join(', ');
    console.log(`  goal at most ${others}: ${goals.every(Boolean) ? 'met' : 'NOT MET'}`);
  }
}

interface Folders {
  readonly source: string;
  readonly destination: string;
}

function rusticSide(name: string, { stack }: Product, rustic: BareRustic, { source, destination }: Folders): Side {
  return {
    name,
    run: async (step, round) => {
      const repository = `${name.replace(/\W/g, '-')}-${round}`;
      if (step === 'init') await rustic.profile(stack, repository, `bench/${repository}`, PASSWORD);
      return rustic.measure(
        repository,
        {
          init: ['init'],
          'first backup': rustic.backupArguments(source),
          'backup without a change': rustic.backupArguments(source),
          restore: ['restore', '--numeric-id', 'latest', destination],
        }[step],
      );
    },
  };
}

function resticSide({ stack }: Product, program: string, { source, destination }: Folders): Side {
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
      const repository = ['-r', `s3:${endpoint}/${buckets[0]}/bench/restic-${round}`, '--quiet'];
      const args = {
        init: ['init'],
        'first backup': ['backup', source],
        'backup without a change': ['backup', source],
        restore: ['restore', 'latest', '--target', destination],
      }[step];
      return measuredRun(program, [...repository, ...args], { env, cwd: source });
    },
  };
}
