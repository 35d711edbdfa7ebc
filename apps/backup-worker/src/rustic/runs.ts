import { constants } from 'node:fs';
import { access as accessFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { measureClockSkew } from '@buckets/object-storage';
import { errorCode, ownFolder } from '../file-system/paths.js';
import { cacheNameOf, profileOf, secretsOf, type RepositoryAccess } from './access.js';
import { INSIDE, type Confinement, type View } from './confinement.js';
import { environmentOf, launcherOf, type RusticLimits } from './environment.js';
import { mayBeTheClock } from './failure.js';
import { Lines } from './lines.js';
import { Messages, type Extents, type Message } from './messages.js';
import { failed, stoppedOrFailed, type Ran } from './outcome.js';
import type { OnProgress } from './progress.js';
import { PROFILE, RunFolders, type RunFolder } from '../processes/run-folders.js';
import { runProcess, type Patience } from '../processes/run-process.js';
import { Transcript } from './transcript.js';

export interface RusticSettings {
  /** The absolute path of rustic 0.11. */
  binary: string;
  /** A folder of this worker alone, for what lives as long as a run: profiles with secrets, notes of processes. */
  workFolder: string;
  /** Where rustic keeps what it read of repositories. Can be deleted at any time. */
  cacheFolder: string;
  limits?: RusticLimits;
  /** What keeps each run to what it is about; without it a run sees all that its user may see. */
  confinement?: Confinement;
  /** What else rustic needs of the environment, as proxies or `SSL_CERT_FILE`. Nothing is inherited. */
  environment?: Record<string, string>;
}

export interface Call extends Patience {
  /** Called from rustic's own output, about twice a second; must not throw. */
  onProgress?: OnProgress;
}

/** One order to rustic, and who listens to what it says. */
export interface Command {
  args: readonly string[];
  logLevel?: 'warn' | 'info';
  onLine?: (line: string) => void;
  /** Hears warnings and errors; what it answers true for is understood. */
  listener?: { take: (message: Message) => boolean; extents: Extents };
  /** Secrets beyond those of the access. */
  secrets?: readonly string[];
  /** What a confined run gets to see besides its own folder, its cache and its repository. */
  views?: readonly View[];
}

export interface RunOptions {
  /** A cache that lives as long as the run, in place of the repository's. */
  ownCache?: boolean;
  /** Takes back what a first attempt has done, before a second. */
  undo?: () => Promise<void>;
}

/** Runs rustic, each time in a folder and with a profile of its own. */
export class Runs {
  readonly folders: RunFolders;

  constructor(private readonly settings: RusticSettings) {
    this.folders = new RunFolders(settings.workFolder);
  }

  /**
   * Runs a command; for a second time without the cache, if the repository looks damaged. rustic writes its cache in
   * place: after a crash of the machine it can hold rubbish of the right length. What is damaged without it, is.
   *
   * @param order makes the command, with listeners that have heard nothing yet
   */
  async run(access: RepositoryAccess, order: () => Command, call: Call, options: RunOptions = {}): Promise<Ran> {
    const began = performance.now();
    const first = await this.once(access, order(), call, options);
    const cut = stoppedOrFailed(first);
    if (options.ownCache || cut?.outcome !== 'failed' || cut.class !== 'repository-damaged') return first;
    await this.dropCache(access);
    await options.undo?.();
    const deadlineMs = Math.max(1, call.deadlineMs - (performance.now() - began));
    return this.once(access, order(), { ...call, deadlineMs }, options);
  }

  /** A path of the machine as runs see it, given the view of it that they have. */
  seen({ from, at }: View): string {
    return this.settings.confinement === undefined ? from : at;
  }

  /** The folder of a run, as the run sees it. */
  home(folder: string): string {
    return this.seen({ from: folder, at: INSIDE.run });
  }

  /** Runs several commands in one folder, which is removed at the end. */
  async inFolder<T>(profile: (folder: string) => string, work: (folder: RunFolder) => Promise<T>): Promise<T> {
    const folder = await this.folders.open(profile);
    try {
      return await work(folder);
    } finally {
      await folder.close();
    }
  }

  async runIn(folder: RunFolder, access: RepositoryAccess, command: Command, call: Call): Promise<Ran> {
    const transcript = new Transcript([...secretsOf(access), ...(command.secrets ?? [])], command.listener?.take);
    const temporaryAccess = access.kind === 's3' && access.sessionToken !== undefined;
    const about = { command: command.args[0], temporaryAccess };
    const { binary, limits, confinement } = this.settings;
    if (!(await isProgram(binary))) return { ended: { startError: 'ENOENT' }, transcript, about };

    call.onProgress?.({ phase: 'preparing', bytesDone: 0 });
    const messages = new Messages(transcript.take, command.listener?.extents);
    const lines = new Lines(command.onLine ?? (() => {}));
    const own: View = { from: folder.path, at: INSIDE.run, writable: true };
    const program = (await confinement?.launcher(folder.path, [own, ...(command.views ?? [])])) ?? [binary];
    const [file = binary, ...args] = [...(await launcherOf(limits)), ...program, ...command.args];
    const home = this.home(folder.path);
    const ended = await runProcess(
      {
        file,
        args,
        env: environmentOf({ path: home, profile: join(home, PROFILE) }, this.settings),
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
    return { ended, transcript, about };
  }

  async dropCache(access: RepositoryAccess): Promise<void> {
    await rm(this.cacheOf(access), { recursive: true, force: true });
  }

  private async once(access: RepositoryAccess, command: Command, call: Call, { ownCache }: RunOptions): Promise<Ran> {
    const cache: View = { from: this.cacheOf(access), at: INSIDE.cache, writable: true };
    const stored = access.kind === 'local' ? [{ from: access.folder, at: INSIDE.repository, writable: true }] : [];
    const profile = (folder: string) =>
      profileOf(access.kind === 'local' ? { ...access, folder: this.seen(stored[0]!) } : access, {
        cacheFolder: ownCache ? join(this.home(folder), 'cache') : this.seen(cache),
        logLevel: command.logLevel ?? 'warn',
        storageRetries: this.settings.limits?.storageRetries,
      });
    const views = [...(ownCache ? [] : [cache]), ...stored, ...(command.views ?? [])];
    try {
      await ownFolder(this.settings.cacheFolder);
      await ownFolder(cache.from);
      const ran = await this.inFolder(profile, (folder) => this.runIn(folder, access, { ...command, views }, call));
      return await withClockSkew(ran, access, call.signal);
    } catch (error) {
      const startError = errorCode(error);
      if (startError !== 'ENOSPC' && startError !== 'EDQUOT') throw error;
      return { ended: { startError }, transcript: new Transcript([]), about: {} };
    }
  }

  private cacheOf(access: RepositoryAccess): string {
    return join(this.settings.cacheFolder, cacheNameOf(access));
  }
}

/** A refusal may come of a clock that is wrong, which an answer of the storage tells by its own. */
async function withClockSkew(ran: Ran, access: RepositoryAccess, signal?: AbortSignal): Promise<Ran> {
  const { ended, transcript } = ran;
  if (access.kind !== 's3' || ended.stopped !== undefined) return ran;
  // A listing that is refused ends with 0.
  const mayHaveFailed = ended.exitCode !== 0 || transcript.errors.total > 0;
  if (!mayHaveFailed || !mayBeTheClock(failed(ran).class)) return ran;
  return { ...ran, about: { ...ran.about, clockSkewMs: await measureClockSkew(access.endpoint, { signal }) } };
}

async function isProgram(path: string): Promise<boolean> {
  return accessFile(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
