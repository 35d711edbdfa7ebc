import { type FSWatcher, type Stats, lstatSync, opendirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { Pace } from './pace.js';

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

/** With more changed names in a folder than this, it is listed instead of looking at each. */
const NAMES_AT_ONCE = 1_000;
const SETTLE_LIMIT_MS = 5_000;
/** Names as buffers, which Node's types know for `readdir` only. */
const LISTING = { encoding: 'buffer' as BufferEncoding, bufferSize: 64 };
const GONE = new Set(['ENOENT', 'ENOTDIR']);
const OUT_OF_REACH = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG']);

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

  #onEvent(folder: Folder, type: string, rawName: Buffer | null): void {
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

  /** An event of a folder itself comes under its own name, or none. */
  #onAnchorEvent(anchor: Anchor, name: string | undefined): void {
    const isRoot = name !== undefined && anchor.roots.has(name);
    const isItself = name === undefined || name === basename(anchor.path);
    if (isRoot || isItself) this.onChange('watcher-root');
    if (isItself) this.renew();
    else if (isRoot) this.#note(anchor, name);
  }

  #note(folder: Folder, name: string | undefined): void {
    if (!folder.changed) {
      folder.changed = new Set();
      this.#do((pace) => this.#lookAtChanged(folder, pace));
    }
    if (name === undefined) folder.changed = 'too many';
    if (folder.changed === 'too many' || name === undefined) return;
    if (folder.changed.size >= NAMES_AT_ONCE) folder.changed = 'too many';
    else folder.changed.add(name);
  }

  async #lookAtChanged(folder: Folder, pace: Pace): Promise<void> {
    const names = folder.changed ?? [];
    folder.changed = undefined;
    if (names === 'too many') return await this.#list(folder, pace);
    for (const name of names) {
      this.#check(folder, name);
      if (pace.spent()) await pace.rest();
    }
  }

  /** Watches the child if it is a folder, and no longer if it is not. */
  #check(parent: Folder, name: string): void {
    if (parent.gone || this.#ended || this.#closed) return;
    const known = parent.child(name);
    const folder = known ?? new Folder(parent, name);
    const stat = lookAt(folder.path);
    if (!stat?.isDirectory() || !this.#watch(folder)) {
      if (known) this.#drop(known);
      return;
    }
    folder.inode = stat.ino;
    parent.adopt(folder);
    this.#do((pace) => this.#list(folder, pace));
  }

  /** Checks all folders in it. */
  async #list(folder: Folder, pace: Pace): Promise<void> {
    if (folder.gone) return;
    const names = new Set<string>();
    for await (const name of foldersIn(folder.path, pace)) names.add(name);
    // Were it replaced by a link meanwhile, the names would be from somewhere else. Its parent hears of that.
    if (lookAt(folder.path)?.ino !== folder.inode) return;
    for (const child of folder.children) if (!names.has(child.name)) this.#drop(child);
    for (const name of names) {
      this.#do(() => this.#check(folder, name));
      if (pace.spent()) await pace.rest();
    }
  }

  /** Returns whether the folder is there. One that this process may not read is left unwatched: no backup can read it either. */
  #watch(folder: Folder): boolean {
    const before = folder.handle;
    try {
      const handle = this.shared.open(bytes(folder.path), (type, name) => this.#onEvent(folder, type, name));
      handle.on('error', this.#onError);
      folder.handle = handle;
      this.#renewed = true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (GONE.has(code)) return false;
      if (!OUT_OF_REACH.has(code)) throw error;
      folder.handle = undefined;
    }
    if (before) this.shared.close(before);
    return true;
  }

  #drop(top: Folder): void {
    top.parent?.abandon(top);
    const folders = [top];
    for (let folder = folders.pop(); folder; folder = folders.pop()) {
      folder.gone = true;
      if (folder.handle) this.shared.close(folder.handle);
      folders.push(...folder.children);
    }
  }
}

/** Names and paths are Latin-1 strings: a character for each byte, so that names in any encoding, or none, survive. */
class Folder {
  handle?: FSWatcher;
  inode = 0;
  gone = false;
  /** Names in it that came, went or changed places, and have not been looked at. */
  changed?: Set<string> | 'too many';
  #children?: Map<string, Folder>;

  constructor(
    readonly parent: Folder | undefined,
    readonly name: string,
  ) {}

  get path(): string {
    return this.parent ? `${this.parent.path}/${this.name}` : this.name;
  }

  get children(): Folder[] {
    return [...(this.#children?.values() ?? [])];
  }

  child(name: string): Folder | undefined {
    return this.#children?.get(name);
  }

  adopt(child: Folder): void {
    this.#children ??= new Map(); // Most folders have none, and there are many.
    this.#children.set(child.name, child);
  }

  abandon(child: Folder): void {
    this.#children?.delete(child.name);
  }
}

/** The folder above roots; nothing else in it matters. */
class Anchor extends Folder {
  constructor(
    path: string,
    readonly roots: ReadonlySet<string>,
  ) {
    super(undefined, path);
  }
}

async function* foldersIn(path: string, pace: Pace): AsyncGenerator<string> {
  const listing = whatIsThere(() => opendirSync(bytes(path), LISTING));
  try {
    for (let entry = listing?.readSync(); entry; entry = listing?.readSync()) {
      if (entry.isDirectory()) yield (entry.name as unknown as Buffer).toString('latin1');
      if (pace.spent()) await pace.rest();
    }
  } finally {
    listing?.closeSync();
  }
}

function lookAt(path: string): Stats | undefined {
  return whatIsThere(() => lstatSync(bytes(path)));
}

function whatIsThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (GONE.has(code) || OUT_OF_REACH.has(code)) return undefined;
    throw error;
  }
}

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');
const latin1 = (path: string): string => Buffer.from(path).toString('latin1');
