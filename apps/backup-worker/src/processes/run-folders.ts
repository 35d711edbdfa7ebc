import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { namesWithin, ownFolder } from '../file-system/paths.js';
import { identify, isAlive, signalGroup, type ProcessIdentity } from './system-process.js';

const PREFIX = 'run-';
export const PROFILE = 'profile.toml';
const PROCESS = 'process.json';
/** How long a killed process may take to be gone. */
const GONE_WITHIN_MS = 10_000;

/** What was found of an earlier worker, which was killed. */
export interface Reaped {
  /** The processes that still ran, and were ended. */
  ended: number[];
  /** The processes that could not be ended in time; their folders are kept for the next attempt. */
  stillRunning: number[];
  /** The folders, with their secrets, that were removed. */
  removed: number;
}

/**
 * The private folders of runs: each notes its process, may hold a profile with its secrets and be its home, and dies with it.
 */
export class RunFolders {
  private readonly inUse = new Set<string>();

  constructor(private readonly workFolder: string) {}

  /** @param profileOf the profile's text, for the folder that was made; there is none by default */
  async open(profileOf?: (folder: string) => string): Promise<RunFolder> {
    await this.ensureWorkFolder();
    const name = `${PREFIX}${randomBytes(8).toString('hex')}`;
    const path = join(this.workFolder, name);
    // In use before it is there: nobody may ever find it otherwise.
    this.inUse.add(name);
    const folder = new RunFolder(path, () => this.inUse.delete(name));
    try {
      await mkdir(path, { mode: 0o700 });
      if (profileOf) await writeFile(folder.profile, profileOf(path), { mode: 0o600, flag: 'wx' });
      return folder;
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /**
   * Ends what an earlier worker left running, and what this one could not end before, and removes the secrets. Whoever
   * else runs processes with the same work folder loses them.
   */
  async reap(): Promise<Reaped> {
    const reaped: Reaped = { ended: [], stillRunning: [], removed: 0 };
    for (const name of await namesWithin(this.workFolder)) {
      if (!name.startsWith(PREFIX) || this.inUse.has(name)) continue;
      const path = join(this.workFolder, name);
      await rm(join(path, PROFILE), { force: true });
      const orphan = await processOf(path);
      if (orphan && isAlive(orphan)) {
        const gone = await end(orphan);
        reaped[gone ? 'ended' : 'stillRunning'].push(orphan.pid);
        if (!gone) continue;
      }
      await rm(path, { recursive: true, force: true });
      reaped.removed += 1;
    }
    return reaped;
  }

  private async ensureWorkFolder(): Promise<void> {
    await ownFolder(this.workFolder);
    await chmod(this.workFolder, 0o700);
  }
}

export class RunFolder {
  processWouldNotEnd = false;

  constructor(
    readonly path: string,
    private readonly closed: () => void,
  ) {}

  get profile(): string {
    return join(this.path, PROFILE);
  }

  /** Notes which process uses the folder, so that a later worker can end it should this one be killed. */
  async recordProcess(pid: number): Promise<void> {
    const identity = identify(pid);
    if (!identity) return;
    const draft = join(this.path, `${PROCESS}.new`);
    await writeFile(draft, JSON.stringify(identity), { mode: 0o600 });
    await rename(draft, join(this.path, PROCESS));
  }

  /** Removes the folder and what is in it; of a process that would not end, the note stays for the next worker. */
  async close(): Promise<void> {
    try {
      await rm(this.processWouldNotEnd ? this.profile : this.path, { recursive: true, force: true });
    } finally {
      this.closed();
    }
  }
}

async function processOf(folder: string): Promise<ProcessIdentity | undefined> {
  try {
    const identity = JSON.parse(await readFile(join(folder, PROCESS), 'utf8')) as ProcessIdentity;
    return Number.isSafeInteger(identity.pid) && identity.pid > 1 ? identity : undefined;
  } catch {
    // The worker was killed before it had started a process, or had noted it.
    return undefined;
  }
}

async function end(orphan: ProcessIdentity): Promise<boolean> {
  signalGroup(orphan.pid, 'SIGKILL');
  const until = performance.now() + GONE_WITHIN_MS;
  while (isAlive(orphan) && performance.now() < until) await delay(20);
  return !isAlive(orphan);
}
