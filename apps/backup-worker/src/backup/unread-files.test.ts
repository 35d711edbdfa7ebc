import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { lstatSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { ChangeCounter } from '@buckets/contracts';
import { covers } from '@buckets/freshness';
import { until } from '@buckets/patience';
import { findTool } from '@buckets/real-parts';
import { execa } from 'execa';
import { ChangeTracker } from '../changes/index.js';
import { TrialProject, temporaryFolderIsOnDisk } from '../changes/testing/trial-project.js';
import type { LocalAccess } from '../rustic/access.js';
import type { BackupSummary } from '../rustic/backup.js';
import type { Rustic } from '../rustic/rustic.js';
import { PATIENT, TestBench } from '../rustic/testing/bench.js';

jest.setTimeout(60_000);

const stock = await findTool('rustic-stock').catch(() => undefined);
const isOurs = (await execa(await findTool('rustic'), ['backup', '--help'])).stdout.includes('--settled-before');
const onDisk = temporaryFolderIsOnDisk ? it : it.skip;

let bench: TestBench;
let trial: TrialProject;
let tracker: ChangeTracker;
let access: LocalAccess;
beforeEach(async () => {
  bench = await TestBench.make();
  trial = new TrialProject();
  access = await bench.repository();
  const problem = (_: string, error: Error): never => {
    throw error;
  };
  tracker = new ChangeTracker({ stateFolder: trial.outside('state'), report: () => {}, problem });
  await tracker.open('p1', trial.roots, 1);
});
afterEach(async () => {
  await tracker.stopAll();
  trial[Symbol.dispose]();
  await bench[Symbol.asyncDispose]();
});

interface Made {
  id: string;
  counter: ChangeCounter;
  settledBefore: number | undefined;
  summary: BackupSummary;
}

/** As `BackupWork` does it. `between`: when the backup has begun, and nothing is read yet. */
async function backUp(
  parent: Partial<Made> = {},
  {
    rustic = bench.rustic(),
    between = () => Promise.resolve(),
  }: { rustic?: Rustic; between?: () => Promise<void> } = {},
): Promise<Made> {
  const begun = await tracker.beginBackup('p1');
  await between();
  const order = { root: join(trial.top, 'data', 'p1'), parent: parent.id, settledBefore: parent.settledBefore };
  const outcome = await rustic.backup(access, bench.order(order), PATIENT);
  if (outcome.outcome !== 'succeeded') throw new Error(JSON.stringify(outcome));
  const { settledBefore } = await begun.release();
  return { id: outcome.snapshotId, counter: begun.counter, settledBefore, summary: outcome.summary };
}

async function contentIn({ id }: Made, name: string): Promise<Buffer> {
  const folder = bench.path(`restored-${id}`);
  await bench.rustic().restore(access, id, folder, PATIENT);
  return readFileSync(join(folder, 'project', name));
}

/** A scan may find only after a backup what has changed before it. */
async function backUpUntilCovered(parent: Made): Promise<Made> {
  let made = parent;
  await until(async () => {
    made = await backUp(made);
    return covers(made.counter, tracker.reportOf('p1'));
  });
  return made;
}

/** Until a backup of now finds it settled: the margin for coarse stamps, and the age of a flush that is good enough. */
const becomesOld = (name: string) => until(() => Date.now() > trial.ctimeMs(trial.path(name)) + 3_100);

/**
 * A backup whose reading was followed by a store that has changed no stamp. Whoever else has the file system written back
 * in between has it stamped: then once more.
 */
async function backUpBeforeUnseenStore(options: Parameters<typeof backUp>[1] = {}): Promise<Made> {
  const store = await trial.mapped(trial.path('mapped'));
  const stamps = () => {
    const { ctimeNs, mtimeNs, size } = lstatSync(trial.path('mapped'), { bigint: true });
    return [ctimeNs, mtimeNs, size].join();
  };
  return until(
    async () => {
      const made = await backUp({}, { ...options, between: () => store(1) });
      const before = stamps();
      await store(2);
      return stamps() === before ? made : undefined;
    },
    { withinMs: 30_000 },
  );
}

(isOurs ? describe : describe.skip)('a file that looks as it did in the backup before', () => {
  onDisk('is read when a store into its mapped page has left no trace', async () => {
    const first = await backUpBeforeUnseenStore();
    expect((await contentIn(first, 'mapped'))[0]).toBe(1);
    const second = await backUp(first);
    expect((await contentIn(second, 'mapped'))[0]).toBe(2);
    expect(second.summary).toMatchObject({ filesChanged: 1, filesUnmodified: 0 });
    expect((await contentIn(await backUpUntilCovered(second), 'mapped'))[0]).toBe(2);
  });

  onDisk(
    'is read when that was to be at rest since a moment from the future, the clock having been set back',
    async () => {
      const { id } = await backUpBeforeUnseenStore();
      const settledBefore = Date.now() + 3_600_000;
      expect((await contentIn(await backUp({ id, settledBefore }), 'mapped'))[0]).toBe(2);
    },
  );

  onDisk('is read when nobody knows since when it is at rest, as in backups of old', async () => {
    const { id } = await backUpBeforeUnseenStore();
    expect((await contentIn(await backUp({ id }), 'mapped'))[0]).toBe(2);
  });

  it('counts as unchanged when it holds the same, read or not', async () => {
    trial.write(trial.path('file'));
    const first = await backUp();
    expect((await backUp(first)).summary).toMatchObject({ filesUnmodified: 1, filesChanged: 0, bytesAdded: 0 });
  });

  it('is read when it is another that has come there with its folder, with the very same stamps', async () => {
    // Both within one tick of the clock.
    await until(() => {
      trial.write(trial.path('blue/version'), 'blue!');
      trial.write(trial.path('next/version'), 'green');
      const [blue, next] = ['blue', 'next'].map((name) => lstatSync(trial.path(`${name}/version`), { bigint: true }));
      return blue!.ctimeNs === next!.ctimeNs && blue!.mtimeNs === next!.mtimeNs;
    });
    await becomesOld('next/version');
    const first = await backUp();
    renameSync(trial.path('blue'), trial.path('moved'));
    renameSync(trial.path('next'), trial.path('blue'));
    renameSync(trial.path('moved'), trial.path('next'));
    const second = await backUpUntilCovered(first);
    expect(String(await contentIn(second, 'blue/version'))).toBe('green');
    expect(String(await contentIn(second, 'next/version'))).toBe('blue!');
  });
});

(stock === undefined ? describe.skip : describe)('a rustic that cannot be told what is at rest', () => {
  onDisk('reads everything, each time', async () => {
    const rustic = bench.rustic({ binary: stock, confinement: undefined });
    expect(await rustic.knowsSettled()).toBe(false);
    const first = await backUpBeforeUnseenStore({ rustic });
    const second = await backUp(first, { rustic });
    expect((await contentIn(second, 'mapped'))[0]).toBe(2);
  });
});
