import type { FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { Pace } from './pace.js';
import { attempt, bytes, foldersIn, latin1, statOf } from './raw-entries.js';
import { Anchor, WatchedFolder } from './watched-folder.js';

/**
 * `watcher`: an event. `watcher-root`: a root, or the folder above, came or went. `watcher-overflow`: events may have been
 * lost. `watcher-renewed`: folders are watched (again) that for a moment were not. `watcher-ended`: the project cannot be
 * watched.
 */
export type WatchSource = 'watcher' | 'watcher-root' | 'watcher-overflow' | 'watcher-renewed' | 'watcher-ended';
export type OnChange = (source: WatchSource) => void;
export type FolderListener = (type: string, name: Buffer | null) => void;
export type Chore = (pace: Pace) => void | Promise<void>;

/** What all projects of a worker share: the number of watches, and the one row of things to do. */
export interface SharedWatches {
  open(path: Buffer, listener: FolderListener): FSWatcher;
  /** To be called for each event. */
  count(): void;
  close(handle: FSWatcher): void;
  later(chore: Chore): void;
  closed(): void;
}

/** There is no folder for the project, so there is nothing to watch, not even for its coming. */
export class ProjectFolderMissing extends Error {
  readonly code = 'project-folder-missing';
  constructor() {
    super('The folder of the project is not there. It is looked for again at the next scan.');
  }
}

const SETTLE_LIMIT_MS = 5_000;

/**
 * Watches the roots of one project and all folders in them; links are not followed. Reading raises no event.
 *
 * - A new or moved folder is watched first and listed after, so that nothing made in it meanwhile is missed. For what
 *   changed in it before, there is one `watcher-renewed` when all is watched.
 * - A folder that comes again under its old name is watched anew whatever its inode, as inodes are reused; the old
 *   watch is closed after, so that nothing is missed if it was the same folder.
 * - The folder above the roots is watched too: a root may be replaced.
 * - Where a limit does not allow all folders, none is watched.
 *
 * No inotify sees memory-mapped writes, or writes through a hard link from outside: they are left to the scans.
 */
export class ProjectWatch {
  readonly #anchors: Anchor[];
  #pending = 0;
  #wakeUp: (() => void)[] = [];
  #renewed = false;
  #complete = false;
  #ended?: Error;
  #closed = false;
  readonly #onError = (error: Error): void => this.#end(error);

  constructor(
    roots: readonly string[],
    private readonly onChange: OnChange,
    private readonly shared: SharedWatches,
  ) {
    this.#anchors = [...new Set(roots.map((root) => dirname(root)))].map(
      (path) =>
        new Anchor(
          latin1(path),
          new Set(roots.filter((root) => dirname(root) === path).map((root) => latin1(basename(root)))),
        ),
    );
  }

  /** Whether all folders are watched. */
  get watched(): boolean {
    return this.#complete && !this.#ended && !this.#closed;
  }

  /** Why the project is not watched, if it cannot be. */
  get problem(): Error | undefined {
    return this.#ended;
  }

  /** Watches everything afresh. */
  renew(): void {
    if (this.#closed) return;
    this.#ended = undefined;
    for (const anchor of this.#anchors) {
      this.#do(() => {
        if (!this.#watch(anchor)) return this.#end(new ProjectFolderMissing());
        for (const name of anchor.roots) this.#check(anchor, name);
      });
    }
  }

  overflowed(): void {
    this.onChange('watcher-overflow');
    this.renew();
  }

  /** Waits until each event of a change made before has been told, and new folders are watched: 5 seconds at most. */
  async settled(): Promise<void> {
    // An immediate runs after this turn's events; the second one after all those that came before the call.
    await nextTurn();
    await nextTurn();
    if (this.#pending === 0) return;
    const rested = new Promise<void>((resolve) => this.#wakeUp.push(resolve));
    const limit = new AbortController();
    await Promise.race([rested, delay(SETTLE_LIMIT_MS, undefined, { signal: limit.signal }).catch(() => {})]);
    limit.abort();
  }

  close(): void {
    this.#closed = true;
    this.#unwatchAll();
    this.shared.closed();
  }

  #do(chore: Chore): void {
    this.#pending += 1;
    this.shared.later(async (pace) => {
      try {
        if (!this.#ended && !this.#closed) await chore(pace);
      } catch (error) {
        this.#end(error as Error);
      }
      this.#pending -= 1;
      if (this.#pending === 0) this.#rest();
    });
  }

  #rest(): void {
    if (!this.#ended) this.#complete = true;
    if (this.#renewed && !this.#ended && !this.#closed) this.onChange('watcher-renewed');
    this.#renewed = false;
    for (const wakeUp of this.#wakeUp.splice(0)) wakeUp();
  }

  #end(problem: Error): void {
    const { watched } = this;
    this.#ended = problem;
    this.#complete = false;
    this.#unwatchAll();
    if (watched) this.onChange('watcher-ended');
  }

  #unwatchAll(): void {
    for (const anchor of this.#anchors) {
      for (const root of anchor.children) this.#drop(root);
      if (anchor.handle) this.shared.close(anchor.handle);
      anchor.handle = undefined;
    }
  }

  #onEvent(folder: WatchedFolder, type: string, rawName: Buffer | null): void {
    this.shared.count();
    if (this.#ended || this.#closed) return;
    const name = rawName?.toString('latin1');
    if (folder instanceof Anchor) {
      if (type === 'rename') this.#onAnchorEvent(folder, name);
      return;
    }
    this.onChange('watcher');
    const child = name === undefined ? undefined : folder.child(name);
    const mayBeReadableNow = child && !child.handle;
    if ((type === 'rename' || mayBeReadableNow) && !folder.gone) this.#note(folder, name);
  }

  #onAnchorEvent(anchor: Anchor, name: string | undefined): void {
    const subject = anchor.subjectOf(name);
    if (subject === 'another') return;
    this.onChange('watcher-root');
    if (subject === 'itself') this.renew();
    else this.#note(anchor, name);
  }

  #note(folder: WatchedFolder, name: string | undefined): void {
    if (folder.note(name)) this.#do((pace) => this.#lookAtChanged(folder, pace));
  }

  async #lookAtChanged(folder: WatchedFolder, pace: Pace): Promise<void> {
    const names = folder.takeChanged();
    if (names === 'too many') return await this.#list(folder, pace);
    for (const name of names) {
      this.#check(folder, name);
      if (pace.spent()) await pace.rest();
    }
  }

  /** Watches the child if it is a folder, and no longer if it is not. */
  #check(parent: WatchedFolder, name: string): void {
    if (parent.gone || this.#ended || this.#closed) return;
    const known = parent.child(name);
    const folder = known ?? new WatchedFolder(parent, name);
    const stat = statOf(folder.path);
    if (!stat?.isDirectory() || !this.#watch(folder)) {
      if (known) this.#drop(known);
      return;
    }
    folder.inode = stat.ino;
    parent.adopt(folder);
    this.#do((pace) => this.#list(folder, pace));
  }

  /** Checks all folders in it. */
  async #list(folder: WatchedFolder, pace: Pace): Promise<void> {
    if (folder.gone) return;
    const names = new Set<string>();
    for await (const name of foldersIn(folder.path, pace)) names.add(name);
    // Were it replaced by a link meanwhile, the names would be from somewhere else. Its parent hears of that.
    if (statOf(folder.path)?.ino !== folder.inode) return;
    for (const child of folder.children) if (!names.has(child.name)) this.#drop(child);
    for (const name of names) {
      this.#do(() => this.#check(folder, name));
      if (pace.spent()) await pace.rest();
    }
  }

  /** Returns whether the folder is there. One that this process may not read is left unwatched: no backup can read it either. */
  #watch(folder: WatchedFolder): boolean {
    const before = folder.handle;
    const opened = attempt(() =>
      this.shared.open(bytes(folder.path), (type, name) => this.#onEvent(folder, type, name)),
    );
    if (!opened) return false;
    folder.handle = opened.result;
    if (folder.handle) {
      folder.handle.on('error', this.#onError);
      this.#renewed = true;
    }
    if (before) this.shared.close(before);
    return true;
  }

  #drop(folder: WatchedFolder): void {
    for (const handle of folder.parent?.abandon(folder) ?? []) this.shared.close(handle);
  }
}
