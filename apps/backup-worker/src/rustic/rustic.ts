import { lstat, readdir, realpath, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { errorCode, ownFolder } from '../file-system/paths.js';
import { mountPointsWithin } from '../file-system/mount-points.js';
import { refusePassword, refusePath, refuseSnapshotId, refuseTag } from './accepted.js';
import type { RepositoryAccess } from './access.js';
import { backupArguments, backupOutcome, BackupReport, type BackupOrder, type BackupOutcome } from './backup.js';
import { checkArguments, checkOutcome, type CheckOrder, type CheckOutcome } from './check.js';
import { INSIDE, type View } from './confinement.js';
import { failure, RusticFailure, type FailureClass } from './failure.js';
import { asOnDisk } from './names-on-disk.js';
import { makeRepository, type NewRepository } from './new-repository.js';
import { failed, mustHaveSucceeded, type Failed } from './outcome.js';
import { progressOf, type RusticProgress } from './progress.js';
import { pruneArguments, readPruneReport, type PruneOrder, type PruneReport } from './prune.js';
import { restoreArguments, restoreOutcome, RestoreReport, type RestoreOutcome } from './restore.js';
import type { Reaped } from '../processes/run-folders.js';
import { Runs, type Call, type RusticSettings } from './runs.js';
import { readSnapshots, snapshotsArguments, type Snapshot } from './snapshots.js';
import { WholeOutput } from './whole-output.js';

/** The one place that runs rustic. Several runs may go on at once. */
export class Rustic {
  /** Whether a run sees what it is about and nothing else. */
  readonly isConfined: boolean;
  private readonly runs: Runs;
  private doesKnowSettled?: boolean;

  constructor(private readonly settings: RusticSettings) {
    this.runs = new Runs(settings);
    this.isConfined = settings.confinement !== undefined;
  }

  /**
   * Makes a repository's first objects without storing them, so that the caller can store `config` on the condition
   * that there is none. The repository opens with the master key, and with the password in plain rustic and restic.
   *
   * @throws RusticFailure, RusticStopped
   */
  async initialise(masterKey: string, recoveryPassword: string, call: Call): Promise<NewRepository> {
    refusePassword(recoveryPassword);
    return makeRepository(this.runs, masterKey, recoveryPassword, call);
  }

  /**
   * Whether this rustic can be told which files of a parent are settled. One that cannot takes for unchanged what may hold
   * something else: it reads every file of each backup.
   */
  async knowsSettled(): Promise<boolean> {
    if (this.doesKnowSettled === undefined) {
      const help = await execa(this.settings.binary, ['backup', '--help'], {
        reject: false,
        timeout: 10_000,
        stdin: 'ignore',
        env: { PATH: process.env['PATH'] },
        extendEnv: false,
      });
      // What is wrong with a program that does not start, the run says.
      if (help.failed) return false;
      this.doesKnowSettled = help.stdout.includes('--settled-before');
    }
    return this.doesKnowSettled;
  }

  /** Makes a snapshot of everything in a folder. */
  async backup(access: RepositoryAccess, order: BackupOrder, call: Call): Promise<BackupOutcome> {
    order.tags.forEach(refuseTag);
    if (order.parent !== undefined) refuseSnapshotId(order.parent);
    const source = await folderAt(order.root).catch((error: unknown) => {
      const code = errorCode(error);
      if (code === 'EACCES' || code === 'EPERM') return failedWith('source-denied', code);
      throw error;
    });
    if (source === undefined) return failedWith('source-missing');
    if (typeof source !== 'string') return source;
    const views = await viewsOf({ from: source, at: INSIDE.source, tenants: true });
    const root = this.runs.seen(views[0]!);
    const knowsSettled = await this.knowsSettled();
    let report = new BackupReport(root);
    const command = () => {
      report = new BackupReport(root);
      return {
        args: backupArguments({ ...order, root }, { knowsSettled }),
        views,
        listener: report,
        onLine: (line: string) => {
          tell(call, progressOf(line, 'uploading'));
          report.takeLine(line);
        },
      };
    };
    const outcome = backupOutcome(await this.runs.run(access, command, call), report);
    for (const file of [...report.unreadable.first, ...report.vanished.first])
      file.path = await asOnDisk(source, file.path);
    // rustic says the same of a folder that is not there and of one that it may not enter.
    const isThere = outcome.outcome === 'failed' && outcome.class === 'source-missing' && (await exists(source));
    return isThere ? failedWith('source-denied', outcome.stderrTail) : outcome;
  }

  /**
   * Restores a snapshot, or what is chosen of it, into a folder that must be empty or missing. Never delete or trust
   * anything on the strength of this alone: rustic writes in place, and a crash leaves files of full length with holes.
   *
   * @param options.paths entries as in the snapshot, such as `/project/src`, each with all that is in it
   */
  async restore(
    access: RepositoryAccess,
    snapshotId: string,
    destination: string,
    call: Call,
    options: { paths?: readonly string[] } = {},
  ): Promise<RestoreOutcome> {
    refuseSnapshotId(snapshotId);
    options.paths?.forEach(refusePath);
    const folder = await emptyFolderAt(destination);
    if (typeof folder !== 'string') return folder;
    const view: View = { from: folder, at: INSIDE.destination, tenants: true, writable: true };
    let report = new RestoreReport();
    const command = () => {
      report = new RestoreReport();
      return {
        args: restoreArguments(snapshotId, this.runs.seen(view), options.paths),
        views: [view],
        listener: report,
        onLine: (line: string) => {
          const progress = progressOf(line, 'restoring', report.files);
          tell(call, progress);
          report.takeLine(line, progress);
        },
      };
    };
    const outcome = restoreOutcome(
      await this.runs.run(access, command, call, { undo: () => removeContent(folder) }),
      report,
    );
    if (outcome.outcome !== 'succeeded' && outcome.outcome !== 'partial') return outcome;
    // rustic takes a path that the snapshot does not hold for an order to restore nothing.
    for (const path of options.paths ?? []) {
      if (!(await exists(join(folder, path)))) return failedWith('path-missing', `${path} is not in the backup.`);
    }
    return outcome;
  }

  /**
   * The snapshots of a repository, in no particular order.
   *
   * @throws RusticFailure, RusticStopped
   */
  async snapshots(access: RepositoryAccess, call: Call, filter: { tag?: string } = {}): Promise<Snapshot[]> {
    if (filter.tag !== undefined) refuseTag(filter.tag);
    let output = new WholeOutput();
    const command = () => {
      output = new WholeOutput();
      return { args: snapshotsArguments(filter.tag), onLine: output.take };
    };
    mustHaveSucceeded(await this.runs.run(access, command, call));
    return readSnapshots(output.text);
  }

  /**
   * Removes snapshots. Their data stays until a prune.
   *
   * @throws RusticFailure, RusticStopped
   */
  async forget(access: RepositoryAccess, snapshotIds: readonly string[], call: Call): Promise<void> {
    snapshotIds.forEach(refuseSnapshotId);
    // Without ids rustic would choose snapshots by its rules of retention.
    if (snapshotIds.length === 0) return;
    mustHaveSucceeded(await this.runs.run(access, () => ({ args: ['forget', ...snapshotIds] }), call));
  }

  /**
   * Marks data that no snapshot needs, and removes what was marked 23 hours ago or earlier. A listing that fails ends
   * with exit code 0 in rustic and looks like a repository without snapshots, hence the trial run before, and hence a
   * failure here: after it, prune again soon, which takes back what was marked wrongly.
   *
   * @throws RusticFailure, RusticStopped
   */
  async prune(access: RepositoryAccess, call: Call, order: PruneOrder = {}): Promise<PruneReport> {
    const run = async (dryRun: boolean) => {
      const args = pruneArguments(order, { dryRun });
      const onLine = (line: string) => tell(call, progressOf(line, 'pruning'));
      const ran = await this.runs.run(access, () => ({ args, onLine, logLevel: 'info' }), call);
      mustHaveSucceeded(ran);
      const report = readPruneReport(ran.transcript.infos.first);
      if (!report) throw new RusticFailure(failed(ran));
      return report;
    };
    await run(true);
    return run(false);
  }

  /** Whether the repository holds all that its snapshots need. Nothing is taken from the cache. */
  async check(access: RepositoryAccess, call: Call, order: CheckOrder = {}): Promise<CheckOutcome> {
    order.snapshotIds?.forEach(refuseSnapshotId);
    const onLine = (line: string) => tell(call, progressOf(line, 'verifying'));
    const command = () => ({ args: checkArguments(order), onLine });
    return checkOutcome(await this.runs.run(access, command, call, { ownCache: true }));
  }

  /** Ends what an earlier, killed worker left running, and what this one could not end before; removes their secrets. */
  reapOrphans(): Promise<Reaped> {
    return this.runs.folders.reap();
  }

  /** Forgets what was read of a repository, as when its project leaves the host. */
  dropCache(access: RepositoryAccess): Promise<void> {
    return this.runs.dropCache(access);
  }
}

/** What is mounted below a folder is seen as well, and each mount by itself: the kernel's option holds for one mount. */
async function viewsOf(view: View): Promise<View[]> {
  const below = (await mountPointsWithin(view.from)).filter((point) => point !== view.from);
  return [view, ...below.map((from) => ({ ...view, from, at: join(view.at, relative(view.from, from)) }))];
}

function tell({ onProgress }: Call, progress: RusticProgress | undefined): void {
  if (progress) onProgress?.(progress);
}

function failedWith(failureClass: FailureClass, detail?: string): Failed {
  return { outcome: 'failed', ...failure(failureClass, detail) };
}

async function folderAt(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? await realpath(path) : undefined;
  } catch (error) {
    if (/^(ENOENT|ENOTDIR)$/.test(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

async function emptyFolderAt(path: string): Promise<string | Failed> {
  try {
    await ownFolder(path);
    const folder = await folderAt(path);
    if (folder === undefined) return failedWith('destination-denied', `${path} is no folder.`);
    return (await readdir(folder)).length === 0 ? folder : failedWith('destination-not-empty');
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'ENOSPC' || code === 'EDQUOT') return failedWith('disk-full', code);
    if (/^(EACCES|EPERM|EROFS|EEXIST|ENOTDIR)$/.test(code)) return failedWith('destination-denied', code);
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function removeContent(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
