import { parseArgs } from 'node:util';
import { availableParallelism } from 'node:os';
import { HOSTS } from '@buckets/stack';
import { median } from '../figures.js';
import { Product } from '../product.js';
import { LogFiller } from './log-filler.js';
import { catchUp } from './catch-up.js';

/** Backups of one project. What is done with the last one may take so many times as long as with the first one. */
const SIZES = [10, 1_000, 10_000] as const;
const GOAL = 1.5;
/** Of a page: no longer than the shortest history. */
const LIMIT = 10;

/**
 * `npm run bench -- history`: what a project's history costs, for short and long ones in turns; then a projector that has
 * to catch up with long ones, and a rebuild.
 */
export async function benchHistory(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '40' },
      projects: { type: 'string', default: '500' },
      backups: { type: 'string', default: '1000' },
      only: { type: 'string', description: 'costs or catch-up' },
    },
  });
  console.log(`Histories of projects, on ${availableParallelism()} processors.`);
  if (values.only !== 'catch-up') await costs(Number(values.rounds));
  if (values.only !== 'costs') await catchUp(Number(values.projects), Number(values.backups));
}

interface Trial {
  projectId: string;
  backups: number;
  newest: string;
  /** Milliseconds of each thing that is measured. */
  took: Record<string, number[]>;
}

async function costs(rounds: number): Promise<void> {
  await using product = await Product.start(HOSTS[0]!.hostId);
  const trials: Trial[] = [];
  for (const backups of SIZES) trials.push(await trialOf(product, backups));
  const measures = measuresOf(product);
  for (let round = -1; round < rounds; round++) {
    // Who begins changes from round to round; the first one only warms up.
    for (let turn = 0; turn < trials.length; turn++) {
      const trial = trials[(turn + Math.max(0, round)) % trials.length]!;
      for (const [what, measure] of Object.entries(measures)) {
        const began = performance.now();
        const after = await measure(trial, round);
        const ms = performance.now() - began;
        await after?.();
        if (round >= 0) (trial.took[what] ??= []).push(ms);
      }
    }
  }
  console.log(`\nOf projects with ${SIZES.join(', ')} backups, medians of ${rounds} rounds in turns, in ms`);
  for (const what of Object.keys(measures)) {
    const medians = trials.map(({ took }) => median(took[what]!));
    const ratio = medians.at(-1)! / medians[0]!;
    console.log(
      `  ${what.padEnd(64)} ${medians.map((ms) => ms.toFixed(1).padStart(7)).join(' ')}` +
        `   ratio ${ratio.toFixed(2)}, goal at most ${GOAL}: ${ratio <= GOAL ? 'met' : 'NOT MET'}`,
    );
  }
}

type Measure = (trial: Trial, round: number) => Promise<(() => Promise<unknown>) | void>;

function measuresOf(product: Product): Record<string, Measure> {
  const of = ({ projectId }: Trial) => `/v1/projects/${projectId}`;
  return {
    'a decision (a backup is accepted that is good already)': async (trial) => {
      await product.call('POST', `${of(trial)}/backups/${trial.newest}/accept`, {});
    },
    'an event (the project is changed, until it can be read)': async (trial, round) => {
      await product.call('PATCH', of(trial), { backupIntervalMinutes: 1_000 + Math.abs(round) });
    },
    'a page of backups (the newest ten)': async (trial) => {
      await product.call('GET', `${of(trial)}/backups?limit=${LIMIT}`);
    },
    'a start (until it has succeeded, on a host with the data)': async (trial) => {
      await product.done(`${of(trial)}/start`);
      return () => product.done(`${of(trial)}/stop`);
    },
  };
}

/** A project on its host, with a history that its host knows nothing of. */
async function trialOf(product: Product, backups: number): Promise<Trial> {
  const projectId = `history-${backups}`;
  await product.project(projectId);
  await using filler = await LogFiller.of(product.stack);
  const newest = await filler.backUp(projectId, { from: 0, to: backups });
  await filler.isShown(product.stack);
  return { projectId, backups, newest, took: {} };
}
