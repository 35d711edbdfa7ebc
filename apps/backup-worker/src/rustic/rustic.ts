import { constants } from 'node:fs';
import { access as accessFile, lstat, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheNameOf, profileOf, secretsOf, type RepositoryAccess } from './access.js';
import { backupArguments, backupOutcome, BackupWarnings, type BackupOrder, type BackupOutcome } from './backup.js';
import { checkArguments, checkOutcome, type CheckOrder, type CheckOutcome } from './check.js';
import { environmentOf, launcherOf, type RusticLimits } from './environment.js';
import { failure, RusticFailure } from './failure.js';
import { jsonLine } from './json-line.js';
import { Lines } from './lines.js';
import { Messages } from './messages.js';
import { failed, stoppedOrFailed } from './outcome.js';
import { progressOf, type OnProgress, type StatusLine } from './progress.js';
import { pruneArguments, readPruneReport, type PruneOrder, type PruneReport } from './prune.js';
import { restoreArguments, restoreOutcome, RestoreReport, RestoreWarnings, type RestoreOutcome } from './restore.js';
import { RunFolders, type Reaped, type RunFolder } from './run-folders.js';
import { runProcess, type EndedProcess, type Patience, type StopReason } from './run-process.js';
import { readSnapshots, snapshotsArguments, type Snapshot } from './snapshots.js';
import { Transcript } from './transcript.js';

export interface RusticSettings {
  /** The absolute path of rustic 0.11. */
  binary: string;
  /** A folder of this worker alone, for what lives as long as a run: profiles with secrets, notes of processes. */
  workFolder: string;
  /** Where rustic keeps what it read of repositories. Can be deleted at any time. */
  cacheFolder: string;
  limits?: RusticLimits;
  /** What else rustic needs of the environment, as proxies or `SSL_CERT_FILE`. Nothing is inherited. */
  environment?: Record<string, string>;
}

export interface Call extends Patience {
  /** Called from rustic's own output, about twice a second; must not throw. */
  onProgress?: OnProgress;
}

export interface NewRepository {
  /** The id that the repository's `config` holds: it says whether a repository is the one that it was. */
  configId: string;
  /** To be stored in this order: the keys first, then `config`, which makes it a repository. */
  objects: { path: string; bytes: Uint8Array }[];
}

/** Thrown by the calls that return a value, when we stopped the run. */
export class RusticStopped extends Error {
  constructor(readonly code: StopReason) {
    super(`The run was ${code === 'cancelled' ? 'cancelled' : `ended, as it had ${code}`}.`);
    this.name = 'RusticStopped';
  }
}

/** The one place that runs rustic. Several runs may go on at once. */
export class Rustic {
  private readonly folders: RunFolders;

  constructor(private readonly settings: RusticSettings) {
    this.folders = new RunFolders(settings.workFolder);
  }

  /**
   * Makes a repository's first objects without storing them, so that the caller can store `config` on the condition
   * that there is none. The repository opens with the master key, and with the password in plain rustic and restic.
   *
   * @throws RusticFailure, RusticStopped
   */
  async initialise(masterKey: string, recoveryPassword: string, call: Call): Promise<NewRepository> {
    if (!/^[^\r\n\0]+$/.test(recoveryPassword)) throw new RangeError('A recovery password is one line of text.');
    const repositoryIn = (folder: string) => join(folder, 'repository');
    const access = (folder: string) => ({ kind: 'local', folder: repositoryIn(folder), masterKey }) as const;
    const folder = await this.folders.open((path) => profileOf(access(path), { logLevel: 'warn' }));
    return this.closing(folder, async () => {
      const run = async (...args: string[]) => {
        const output = new Text();
        const command = { args, onLine: output.take, secrets: [masterKey, recoveryPassword] };
        this.valueOf(access(folder.path), await this.runIn(folder, access(folder.path), command, call));
        return output.text;
      };
      const passwordFile = join(folder.path, 'recovery-password');
      await writeFile(passwordFile, `${recoveryPassword}\n`, { mode: 0o600 });
      await run('init');
      await run('key', 'add', `--new-password-file=${passwordFile}`);
      const { id } = JSON.parse(await run('cat', 'config')) as { id: string };
      const paths = [...(await readdir(join(repositoryIn(folder.path), 'keys'))).map((key) => `keys/${key}`), 'config'];
      const objects = paths.map(async (path) => ({
        path,
        bytes: await readFile(join(repositoryIn(folder.path), path)),
      }));
      return { configId: id, objects: await Promise.all(objects) };
    });
  }

  /** Makes a snapshot of everything in a folder. */
  async backup(access: RepositoryAccess, order: BackupOrder, call: Call): Promise<BackupOutcome> {
    for (const tag of order.tags) refuseTag(tag);
    if (order.parent !== undefined) refuseSnapshotId(order.parent);
    const root = await folderAt(order.root);
    if (root === undefined) return { outcome: 'failed', ...failure('source-missing') };
    return this.withSoundCache(access, call, async (attempt) => {
      const warnings = new BackupWarnings(root);
      let summary: Record<string, unknown> | undefined;
      const ran = await this.run(
        access,
        {
          args: backupArguments({ ...order, root }),
          onWarning: warnings.take,
          onLine: (line) => {
            const object = jsonLine(line);
            if (object?.['message_type'] === 'summary') summary = object;
            if (object?.['message_type'] === 'status') {
              attempt.onProgress?.(progressOf(object as unknown as StatusLine, 'uploading'));
            }
          },
        },
        attempt,
      );
      return backupOutcome(ran.ended, ran.transcript, warnings, summary, storageOf(access));
    });
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
    await mkdir(destination, { recursive: true, mode: 0o700 });
    const folder = await folderAt(destination);
    if (folder === undefined) return { outcome: 'failed', ...failure('destination-denied') };
    if ((await readdir(folder)).length > 0) return { outcome: 'failed', ...failure('destination-not-empty') };
    const outcome = await this.withSoundCache(
      access,
      call,
      async (attempt) => {
        const warnings = new RestoreWarnings();
        const report = new RestoreReport();
        const ran = await this.run(
          access,
          {
            args: restoreArguments(snapshotId, folder, options.paths),
            onWarning: warnings.take,
            onLine: (line) => {
              report.takeLine(line);
              const object = jsonLine(line);
              if (object?.['message_type'] !== 'status') return;
              const status = object as unknown as StatusLine;
              report.bytes = status.total_bytes ?? report.bytes;
              attempt.onProgress?.(progressOf(status, 'restoring', report.files));
            },
          },
          attempt,
        );
        return restoreOutcome(ran.ended, ran.transcript, warnings, report, storageOf(access));
      },
      () => empty(folder),
    );
    if (outcome.outcome !== 'succeeded' && outcome.outcome !== 'partial') return outcome;
    // rustic takes a path that the snapshot does not hold for an order to restore nothing.
    for (const path of options.paths ?? []) {
      if (!(await exists(join(folder, path)))) {
        return { outcome: 'failed', ...failure('path-missing', `${path} is not in the backup.`) };
      }
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
    const output = new Text();
    const command = { args: snapshotsArguments(filter.tag), onLine: output.take };
    this.valueOf(access, await this.run(access, command, call));
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
    this.valueOf(access, await this.run(access, { args: ['forget', ...snapshotIds] }, call));
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
      const ran = await this.run(
        access,
        {
          args,
          logLevel: 'info',
          onLine: (line) => {
            const object = jsonLine(line);
            if (object?.['message_type'] !== 'status') return;
            call.onProgress?.(progressOf(object as unknown as StatusLine, 'pruning'));
          },
        },
        call,
      );
      this.valueOf(access, ran);
      const report = readPruneReport(ran.transcript.infos.first);
      if (!report) throw new RusticFailure(failed(ran.ended, ran.transcript, storageOf(access)));
      return report;
    };
    await run(true);
    return run(false);
  }

  /** Whether the repository holds all that its snapshots need. Nothing is taken from the cache. */
  async check(access: RepositoryAccess, call: Call, order: CheckOrder = {}): Promise<CheckOutcome> {
    order.snapshotIds?.forEach(refuseSnapshotId);
    const { ended, transcript } = await this.run(
      access,
      {
        args: checkArguments(order),
        ownCache: true,
        onLine: (line) => {
          const object = jsonLine(line);
          if (object?.['message_type'] !== 'status') return;
          call.onProgress?.(progressOf(object as unknown as StatusLine, 'verifying'));
        },
      },
      call,
    );
    return checkOutcome(ended, transcript, storageOf(access));
  }

  /** For the start of a worker: ends what an earlier, killed one left running, and removes its secrets. */
  reapOrphans(): Promise<Reaped> {
    return this.folders.reap();
  }

  /** Forgets what was read of a repository, as when its project leaves the host. */
  async dropCache(access: RepositoryAccess): Promise<void> {
    await rm(this.cacheOf(access), { recursive: true, force: true });
  }

  private cacheOf(access: RepositoryAccess): string {
    return join(this.settings.cacheFolder, cacheNameOf(access));
  }

  /**
   * rustic writes its cache in place: after a crash of the machine it can hold rubbish of the right length, which then
   * looks like a damaged repository. What still fails without the cache is damaged.
   */
  private async withSoundCache<O extends { outcome: string }>(
    access: RepositoryAccess,
    call: Call,
    run: (attempt: Call) => Promise<O>,
    undo: () => Promise<void> = async () => {},
  ): Promise<O> {
    const began = performance.now();
    const first = await run(call);
    if (!('class' in first) || first.class !== 'repository-damaged') return first;
    await this.dropCache(access);
    await undo();
    return run({ ...call, deadlineMs: Math.max(1, call.deadlineMs - (performance.now() - began)) });
  }

  private async run(access: RepositoryAccess, command: Command, call: Call): Promise<Ran> {
    const { storageRetries } = this.settings.limits ?? {};
    const folder = await this.folders.open((path) =>
      profileOf(access, {
        cacheFolder: command.ownCache ? join(path, 'cache') : this.cacheOf(access),
        logLevel: command.logLevel ?? 'warn',
        storageRetries,
      }),
    );
    return this.closing(folder, () => this.runIn(folder, access, command, call));
  }

  private async closing<T>(folder: RunFolder, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      await folder.close();
    }
  }

  private async runIn(folder: RunFolder, access: RepositoryAccess, command: Command, call: Call): Promise<Ran> {
    const transcript = new Transcript([...secretsOf(access), ...(command.secrets ?? [])], command.onWarning);
    if (!(await isProgram(this.settings.binary))) return { ended: { startError: 'ENOENT' }, transcript };

    call.onProgress?.({ phase: 'preparing', bytesDone: 0 });
    const messages = new Messages(transcript.take);
    const lines = new Lines(command.onLine ?? (() => {}));
    const [file, ...args] = [...(await launcherOf(this.settings.limits)), this.settings.binary, ...command.args];
    const ended = await runProcess(
      {
        file: file ?? this.settings.binary,
        args,
        env: environmentOf(folder, this.settings),
        folder: folder.path,
        onOutput: (chunk) => lines.write(chunk),
        onErrorOutput: (chunk) => messages.write(chunk),
        onStart: (pid) => folder.recordProcess(pid),
      },
      call,
    );
    lines.end();
    messages.end();
    folder.processWouldNotEnd = ended.leftBehind !== undefined;
    return { ended, transcript };
  }

  /** For the commands that succeed or fail: any error or warning is a failure, whatever the exit code. */
  private valueOf(access: RepositoryAccess, { ended, transcript }: Ran): void {
    const cut = stoppedOrFailed(ended, transcript, storageOf(access));
    if (cut?.outcome === 'failed') throw new RusticFailure(cut);
    if (cut) throw new RusticStopped(cut.outcome);
    if (transcript.errors.total > 0) throw new RusticFailure(failed(ended, transcript, storageOf(access)));
  }
}

interface Command {
  args: readonly string[];
  logLevel?: 'warn' | 'info';
  /** A cache that lives as long as the run. */
  ownCache?: boolean;
  onLine?: (line: string) => void;
  onWarning?: (warning: string) => boolean;
  /** Secrets beyond those of the access. */
  secrets?: readonly string[];
}

interface Ran {
  ended: EndedProcess;
  transcript: Transcript;
}

/** The whole of an output that is known to be small, and refused when it is not. */
class Text {
  text = '';

  readonly take = (line: string): void => {
    if (this.text.length > 64 * 1024 * 1024)
      throw new RangeError('rustic wrote more than 64 MiB where a list was expected.');
    this.text += `${line}\n`;
  };
}

function storageOf(access: RepositoryAccess): { temporary: boolean } {
  return { temporary: access.kind === 's3' && access.sessionToken !== undefined };
}

function refuseSnapshotId(id: string): void {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new RangeError('A snapshot is named by its whole id, 64 hexadecimal digits.');
}

function refuseTag(tag: string): void {
  if (!/^[^,\s\0]+$/.test(tag)) throw new RangeError('A tag has no comma and no white space.');
}

function refusePath(path: string): void {
  const parts = path.split('/').slice(1);
  if (
    !path.startsWith('/') ||
    parts.some((part) => part === '' || part === '.' || part === '..') ||
    path.includes('\0')
  ) {
    throw new RangeError('A path of a backup begins with a slash and has no empty, "." or ".." part.');
  }
}

async function folderAt(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? await realpath(path) : undefined;
  } catch (error) {
    if (/^(ENOENT|ENOTDIR)$/.test((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

async function isProgram(path: string): Promise<boolean> {
  return accessFile(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
