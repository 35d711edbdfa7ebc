import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { HOSTS } from '@buckets/stack';
import { growTree } from '@buckets/trees';
import { BareRustic, PASSWORD } from '../bare-rustic.js';
import { inTurns, printComparison } from '../figures.js';
import { Product } from '../product.js';
import { growLargeFiles } from './large-files.js';
import { LARGE_FILES, programs, SMALL_FILES } from './programs.js';

const BARE = 'bare rustic';
const SMALL_PROJECTS = 40;

/** The main job against bare rustic, both sides in turns in one go. */
export async function benchBackup(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', description: 'no-change, small, large, small-files or large-files' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const rounds = Number(values.rounds);
  const wanted = (part: string): boolean => values.only === undefined || values.only === part;
  console.log(`Backups against bare rustic, ${rounds} rounds each, on ${availableParallelism()} processors.`);
  await using product = await Product.start(HOSTS[0]!.hostId);
  await using rustic = await BareRustic.create(product.stack.access.rusticPath);
  if (wanted('no-change')) await noChange(product, rustic, rounds * 3);
  if (wanted('small')) await smallProjects(product, rustic, rounds);
  if (wanted('large')) await large(product, rustic, rounds);
  if (wanted('small-files')) await programs(product, rounds, SMALL_FILES);
  if (wanted('large-files')) await programs(product, rounds, LARGE_FILES);
  console.log(`\nResident memory in MB: ${JSON.stringify(product.residentMegabytes())}`);
}

async function noChange(product: Product, rustic: BareRustic, rounds: number): Promise<void> {
  const folder = await product.project('no-change');
  await growTree(join(folder, 'project'), { seed: 1, smallFiles: 2_000, bytes: 50e6, hardCases: false });
  await product.done('/v1/projects/no-change/backups');
  const password = await product.recoveryPassword('no-change');
  const profile = await rustic.profile(product.stack, 'no-change', 'projects/no-change', password);
  const bare = () => rustic.run(profile, rustic.backupArguments(folder));
  const ours = () => timed(() => product.done('/v1/projects/no-change/backups'));
  await bare();
  await ours();
  printComparison({
    what: `A backup of 2,000 files without a change, from POST to succeeded (${rounds} rounds)`,
    ...(await inTurns(rounds, ours, bare)),
    bareIs: BARE,
    goal: 0.45,
  });
}

async function large(product: Product, rustic: BareRustic, rounds: number): Promise<void> {
  const restores = { ours: [] as number[], bare: [] as number[] };
  const backups = await inTurns(
    rounds,
    async (round) => {
      const id = `large-${round}`;
      const folder = await product.project(id);
      await product.done(`/v1/projects/${id}/backups`);
      await growLargeFiles(join(folder, 'project'));
      const backup = await timed(() => product.done(`/v1/projects/${id}/backups`));
      await removeTree(folder);
      restores.ours.push(await timed(() => product.done(`/v1/projects/${id}/start`)));
      await removeTree(folder);
      return backup;
    },
    async (round) => {
      const name = `bare-${round}`;
      const folder = join(product.stack.dataDir, name);
      const profile = await rustic.profile(product.stack, name, `bench/${name}`, PASSWORD);
      await rustic.run(profile, ['init']);
      await growLargeFiles(folder);
      const backup = await rustic.run(profile, rustic.backupArguments(folder));
      await removeTree(folder);
      restores.bare.push(
        await timed(async () => {
          await rustic.run(profile, ['restore', '--numeric-id', 'latest', folder]);
          await execa('sync');
        }),
      );
      await removeTree(folder);
      return backup;
    },
  );
  printComparison({
    what: 'A first backup of 1.2 GB into an initialised repository',
    ...backups,
    bareIs: BARE,
    goal: 1.05,
  });
  printComparison({
    what: 'A restore of 1.2 GB, checked and flushed to disk (bare: restore and sync)',
    ...restores,
    bareIs: BARE,
    goal: 1.15,
  });
}

async function smallProjects(product: Product, rustic: BareRustic, rounds: number): Promise<void> {
  const ids = Array.from({ length: SMALL_PROJECTS }, (_, index) => `small-${index}`);
  const work = await Promise.all(
    ids.map(async (id, index) => {
      const folder = await product.project(id);
      await growTree(join(folder, 'project'), { seed: index, smallFiles: 20, bytes: 0, hardCases: false });
      await product.done(`/v1/projects/${id}/backups`);
      return { folder, profile: await rustic.profile(product.stack, id, `bench/${id}`, PASSWORD) };
    }),
  );
  for (const { profile } of work) await rustic.run(profile, ['init']);
  await rustic.backupAll(work, availableParallelism());
  printComparison({
    what: `${SMALL_PROJECTS} small projects at once (bare: xargs -P ${availableParallelism()})`,
    ...(await inTurns(
      rounds,
      () => timed(() => Promise.all(ids.map((id) => product.done(`/v1/projects/${id}/backups`)))),
      () => rustic.backupAll(work, availableParallelism()),
    )),
    bareIs: BARE,
    goal: 0.4,
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await execa('sync');
}
