import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Pace } from './pace.js';
import { type Chore, type FolderListener, type OnChange, ProjectWatch } from './project-watch.js';

export interface FolderWatchesOptions {
  /** Folders watched at most, over all projects; each costs some 2 kB here and 1 kB in the kernel. */
  maxFolders?: number;
  /** Events that the kernel keeps for a process that is slow to read them; what comes on top is lost. */
  queueLimit?: number;
}

/** A project has more folders than may be watched: it is scanned instead. */
export class WatchLimitReached extends Error {
  readonly code = 'watch-limit-reached';
  constructor(limit: number) {
    super(
      `This host already watches ${limit} folders. Raise the worker's limit, or spread the projects over more hosts.`,
    );
  }
}

/**
 * Watches the folders of all projects, with one inotify watch for each folder. (Node's recursive `fs.watch` takes one for each
 * *file*: 55,000 files cost 150 MB, and a third of a host's watches.)
 *
 * All watches of a process share one queue in the kernel, and libuv hides its overflow. But libuv empties the queue within
 * one turn of the event loop; so a turn with half as many events as the queue holds may have followed a loss, of any project.
 * Then every project is told `watcher-overflow`, and all folders are watched afresh. The events of closed
 * watches are the only ones that go uncounted: watches are closed a few in a turn. (What is lost for want of kernel memory, a scan finds.)
 */
export class FolderWatches {
  readonly #maxFolders: number;
  readonly #burst: number;
  readonly #projects = new Set<ProjectWatch>();
  #chores: Chore[] = [];
  #working?: Promise<void>;
  #folders = 0;
  #eventsThisTurn = 0;

  constructor({ maxFolders = 30_000, queueLimit = kernelQueueLimit() }: FolderWatchesOptions = {}) {
    this.#maxFolders = maxFolders;
    this.#burst = Math.max(1, Math.floor(queueLimit / 2));
  }

  /** Folders that are watched now. */
  get folders(): number {
    return this.#folders;
  }

  /** Begins to watch; the result's `settled()` says when that is done. `onChange` is called at once, for each event. */
  watch(roots: readonly string[], onChange: OnChange): ProjectWatch {
    const project: ProjectWatch = new ProjectWatch(roots, onChange, {
      open: (path, listener) => this.#open(path, listener),
      count: () => this.#count(),
      close: (handle) => this.#later(() => this.#close(handle)),
      later: (chore) => this.#later(chore),
      closed: () => this.#projects.delete(project),
    });
    this.#projects.add(project);
    project.renew();
    return project;
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    for (const project of [...this.#projects]) project.close();
    await this.idle();
  }

  /** Waits until nothing is left to be watched or closed. */
  async idle(): Promise<void> {
    await this.#working;
  }

  #open(path: Buffer, listener: FolderListener): FSWatcher {
    if (this.#folders >= this.#maxFolders) throw new WatchLimitReached(this.#maxFolders);
    const handle = watch(path, { persistent: false, encoding: 'buffer' }, listener);
    this.#folders += 1;
    return handle;
  }

  #close(handle: FSWatcher): void {
    handle.close();
    this.#folders -= 1;
  }

  #count(): void {
    if (this.#eventsThisTurn === 0) setImmediate(() => this.#endTurn());
    this.#eventsThisTurn += 1;
  }

  #endTurn(): void {
    const overflowed = this.#eventsThisTurn >= this.#burst;
    this.#eventsThisTurn = 0;
    if (overflowed) for (const project of this.#projects) project.overflowed();
  }

  /** The chores of all projects are done in one row: side by side, their slices of time would add up. */
  #later(chore: Chore): void {
    this.#chores.push(chore);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    const pace = new Pace();
    await nextTurn();
    while (this.#chores.length > 0) {
      const chores = this.#chores;
      this.#chores = [];
      for (const chore of chores) {
        await chore(pace);
        if (pace.spent()) await pace.rest();
      }
    }
    this.#working = undefined;
  }
}

/** Events that the kernel keeps for one process. */
export function kernelQueueLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || 16_384;
  } catch {
    return 16_384; // The kernel's default, where /proc is not mounted.
  }
}
