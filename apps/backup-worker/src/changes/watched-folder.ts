import type { FSWatcher } from 'node:fs';

/** With more changed names in a folder than this, it is listed instead of looking at each. */
const NAMES_AT_ONCE = 1_000;

/** Names in a folder that came, went or changed places. */
export type ChangedNames = ReadonlySet<string> | 'too many';

/** A folder that is watched, as long as it is where it is. Names are Latin-1 strings (`raw-entries.ts`). */
export class WatchedFolder {
  handle?: FSWatcher;
  inode = 0;
  gone = false;
  #changed?: Set<string> | 'too many';
  #children?: Map<string, WatchedFolder>;

  constructor(
    readonly parent: WatchedFolder | undefined,
    readonly name: string,
  ) {}

  get path(): string {
    return this.parent ? `${this.parent.path}/${this.name}` : this.name;
  }

  get children(): WatchedFolder[] {
    return [...(this.#children?.values() ?? [])];
  }

  child(name: string): WatchedFolder | undefined {
    return this.#children?.get(name);
  }

  adopt(child: WatchedFolder): void {
    this.#children ??= new Map(); // Most folders have none, and there are many.
    this.#children.set(child.name, child);
  }

  /** Lets go of a folder and all below it. @returns what was watched of them */
  abandon(child: WatchedFolder): FSWatcher[] {
    this.#children?.delete(child.name);
    const handles: FSWatcher[] = [];
    const folders = [child];
    for (let folder = folders.pop(); folder; folder = folders.pop()) {
      folder.gone = true;
      if (folder.handle) handles.push(folder.handle);
      folders.push(...folder.children);
    }
    return handles;
  }

  /**
   * Keeps in mind that a name came, went or changed places; without one, that any did.
   *
   * @returns whether nothing was kept in mind before
   */
  note(name: string | undefined): boolean {
    const isFirst = this.#changed === undefined;
    this.#changed ??= new Set();
    if (this.#changed === 'too many') return isFirst;
    if (name === undefined || this.#changed.size >= NAMES_AT_ONCE) this.#changed = 'too many';
    else this.#changed.add(name);
    return isFirst;
  }

  /** What was kept in mind since the last time. */
  takeChanged(): ChangedNames {
    const changed = this.#changed ?? new Set<string>();
    this.#changed = undefined;
    return changed;
  }
}

/** The folder above roots; nothing else in it matters. */
export class Anchor extends WatchedFolder {
  constructor(
    path: string,
    readonly roots: ReadonlySet<string>,
  ) {
    super(undefined, path);
  }

  /** What an event in it is about. One of a folder itself comes under its own name, or none. */
  subjectOf(name: string | undefined): 'itself' | 'root' | 'another' {
    if (name === undefined || name === this.path.slice(this.path.lastIndexOf('/') + 1)) return 'itself';
    return this.roots.has(name) ? 'root' : 'another';
  }
}
