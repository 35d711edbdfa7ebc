import { lstat, readlink, type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { errorCode, isAbsence } from '../../file-system/paths.js';
import type { Finding, FindingKind, RootName } from '../../host-data/index.js';
import { compareEntry } from './entry-comparison.js';
import { FindingList, shownBytes } from './findings.js';
import { HardLinks } from './hard-links.js';
import { entriesWithin, type SnapshotEntry } from './snapshot-entry.js';
import { joined, walkTree } from './tree-walk.js';
import { XattrCheck } from './xattr-check.js';

// Twice as fast as their namesakes in fs/promises, which counts with a million entries.
const lookAt = promisify(lstat);
const targetOf = promisify(readlink);

const ENTRIES_AT_ONCE = 128;
/** What rustic never makes, and what nothing on this host can look at; the result names it, and the restore goes on. */
const BEYOND_ANYBODY: readonly FindingKind[] = ['special-hard-link', 'unchecked'];
/** What an ordinary user cannot always make as root would; the result names it. */
const BEYOND_AN_ORDINARY_USER: readonly FindingKind[] = ['owner', 'device', 'xattr', 'warning'];

export interface CheckOptions {
  /** The roots that were restored; whatever else the snapshot has is left out. */
  roots: readonly RootName[];
  /** Kinds that are named as problems instead of differences. By default what this user or rustic cannot make. */
  tolerated?: ReadonlySet<FindingKind>;
  /** For reading the extended attributes, in milliseconds. */
  xattrTimeoutMs?: number;
  signal?: AbortSignal;
}

export interface CheckReport {
  entries: number;
  folders: number;
  /** Of the files' contents, each name of a hard-linked file counted. */
  bytes: number;
  /** In any of these the tree is not the snapshot's. */
  differences: FindingList;
  /** Tolerated differences, and what could not be checked. */
  problems: FindingList;
}

/** What is tolerated of the kinds of differences, if nothing else is said. */
export function toleratedFindings(asRoot = process.geteuid?.() === 0): Set<FindingKind> {
  return new Set([...BEYOND_ANYBODY, ...(asRoot ? [] : BEYOND_AN_ORDINARY_USER)]);
}

/**
 * Compares a restored tree with the snapshot: type, size and metadata of every entry, nothing missing and nothing extra.
 * @param entries the snapshot's entries in any order, each path once; asked for again to name what is extra, and where there are
 *   extended attributes
 */
export async function checkTree(
  folder: string,
  entries: () => AsyncIterable<SnapshotEntry>,
  options: CheckOptions,
): Promise<CheckReport> {
  return new TreeCheck(folder, entries, options).run();
}

class TreeCheck {
  readonly #base: Buffer;
  readonly #tolerated: ReadonlySet<FindingKind>;
  readonly #report: CheckReport = {
    entries: 0,
    folders: 0,
    bytes: 0,
    differences: new FindingList(),
    problems: new FindingList(),
  };
  readonly #hardLinks = new HardLinks();
  readonly #xattrs = new XattrCheck(process.geteuid?.() === 0);

  constructor(
    folder: string,
    private readonly entries: () => AsyncIterable<SnapshotEntry>,
    private readonly options: CheckOptions,
  ) {
    this.#base = Buffer.from(folder);
    this.#tolerated = options.tolerated ?? toleratedFindings();
  }

  async run(): Promise<CheckReport> {
    const present = await this.#compareEntries();
    if ((await this.#countStanding()) !== present) await this.#nameExtras();
    const { xattrTimeoutMs: timeoutMs = 30 * 60_000, signal } = this.options;
    const report = ({ kind, path, detail }: Finding) => this.#add(kind, path, detail);
    await this.#xattrs.compare(this.#base.toString(), () => this.#expected(), { timeoutMs, signal }, report);
    return this.#report;
  }

  /** Compares each of the snapshot's entries; returns how many of them are there. */
  async #compareEntries(): Promise<number> {
    let present = 0;
    let batch: SnapshotEntry[] = [];
    const compareBatch = async () => {
      const compared = await Promise.allSettled(batch.map((entry) => this.#compare(entry)));
      for (const [index, outcome] of compared.entries()) {
        if (outcome.status === 'rejected') throw outcome.reason;
        if (outcome.value === undefined) continue;
        present += 1;
        this.#compareLinks(batch[index]!, outcome.value);
      }
      this.options.signal?.throwIfAborted();
      batch = [];
    };
    for await (const entry of this.#expected()) {
      batch.push(entry);
      if (batch.length === ENTRIES_AT_ONCE) await compareBatch();
    }
    await compareBatch();
    return present;
  }

  /** What is there, whatever it looks like. */
  async #compare(entry: SnapshotEntry): Promise<BigIntStats | undefined> {
    const path = joined(this.#base, entry.path);
    this.#report.entries += 1;
    if (entry.type === 'dir') this.#report.folders += 1;
    if (entry.type === 'file') this.#report.bytes += Number(entry.size);
    try {
      const stats = await lookAt(path, { bigint: true });
      this.#xattrs.expect(entry);
      const target = stats.isSymbolicLink() ? await targetOf(path, { encoding: 'buffer' }) : undefined;
      const differences = compareEntry(entry, stats, target);
      for (const { kind, detail } of differences) this.#add(kind, entry.path, detail);
      return stats;
    } catch (error) {
      if (isGone(error)) {
        const device = entry.type === 'chardev' || entry.type === 'blockdev';
        this.#add(device ? 'device' : 'missing', entry.path, `a ${entry.type} in the backup, not on disk`);
        return undefined;
      }
      if (!isDenial(error)) throw error;
      this.#add('unchecked', entry.path, (error as Error).message);
      return undefined;
    }
  }

  /** In the order of the entries, not in that in which the disk has answered: so the same names are found every time. */
  #compareLinks(entry: SnapshotEntry, found: BigIntStats): void {
    for (const { kind, detail } of this.#hardLinks.compare(entry, found)) this.#add(kind, entry.path, detail);
  }

  /** How many entries stand in the folder. */
  async #countStanding(): Promise<number> {
    let count = 0;
    const report = (path: Buffer, error: Error) => this.#add('unchecked', path, error.message);
    for await (const _ of this.#standing(report)) count += 1;
    return count;
  }

  async #nameExtras(): Promise<void> {
    const expected = new Set<string>();
    for await (const { path } of this.#expected()) expected.add(path.toString('latin1'));
    for await (const path of this.#standing()) {
      if (!expected.has(path.toString('latin1'))) this.#add('extra', path, 'on disk, not in the backup');
    }
  }

  async *#standing(onDenied: (path: Buffer, error: Error) => void = () => undefined): AsyncGenerator<Buffer> {
    for (const root of this.options.roots) {
      yield* walkTree(this.#base, Buffer.from(root), (path, error) => {
        if (isDenial(error)) onDenied(path, error);
        else if (!isGone(error)) throw error;
      });
    }
  }

  #expected(): AsyncGenerator<SnapshotEntry> {
    return entriesWithin(this.options.roots, this.entries());
  }

  #add(kind: FindingKind, path: Buffer | string, detail: string): void {
    const list = this.#tolerated.has(kind) ? this.#report.problems : this.#report.differences;
    list.add({ kind, path: typeof path === 'string' ? path : shownBytes(path), detail });
  }
}

function isGone(error: unknown): boolean {
  return isAbsence(error) || errorCode(error) === 'ENOTDIR';
}

function isDenial(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'EACCES' || code === 'EPERM';
}
