import type { Extents } from './messages.js';
import {
  entryThatCannotBeListed,
  entryThatCannotBeMapped,
  entryWithFault,
  fileThatCannotBeOpened,
  fileThatCannotBeReadOn,
  fileWithoutAttributes,
  hasNoAttributes,
  type UnreadableFile,
} from './unreadable-file.js';

/** What a message of `rustic backup` means for the snapshot. */
export type Meaning =
  /** `file` is not in it, or not whole. */
  | { is: 'unreadable'; file: UnreadableFile }
  /** `file` was removed while the backup read. */
  | { is: 'vanished'; file: UnreadableFile }
  /** Something is not in it, and the message does not say what. */
  | { is: 'loss' }
  /** It holds all the same. */
  | { is: 'harmless' };

/** One message that is known: where it comes from, how it begins, and what it means. */
export interface Saying {
  source: string;
  begins: string;
  /** How often it says a name. Default 0. */
  names?: 1 | 2;
  /** @param rest what follows the beginning @returns undefined when that is not how the message goes on */
  means: (rest: string, root: string) => Meaning | undefined;
}

const harmless = (): Meaning => ({ is: 'harmless' });
const loss = (): Meaning => ({ is: 'loss' });
const named = (file: UnreadableFile | undefined): Meaning | undefined => file && leftOut(file);

/**
 * Every warning and error that rustic 0.11.4, with rustic_core 0.13 and rustic_backend 0.7, can give during a backup with
 * the arguments and the profile that it gets here, and that does not end it. The first whose beginning fits counts. Not here is
 * what takes an option that is never given: excluding by attributes, warming up, commands of rustic's own, metrics.
 */
export const SAYINGS: readonly Saying[] = [
  // What the walk or the reading of a file gave: the entry is left out.
  {
    source: 'archiver.rs, archiver/file_archiver.rs, backend/ignore.rs',
    begins: 'ignoring error: Error: Failed to open ReadSourceOpen at `',
    names: 2,
    means: (rest, root) => named(fileThatCannotBeOpened(rest, root)),
  },
  {
    source: 'archiver.rs, backend/ignore.rs',
    begins: 'ignoring error: Error: Failed to get next entry from walk iterator.',
    names: 2,
    means: (rest, root) => named(entryThatCannotBeListed(rest, root)),
  },
  {
    source: 'archiver.rs, backend/ignore.rs, backend/ignore/mapper.rs',
    begins: 'ignoring error: Error: Failed to map Directory entry to ReadSourceEntry.',
    names: 2,
    means: (rest, root) => named(entryThatCannotBeMapped(rest, root)),
  },
  {
    source: 'archiver.rs, archiver/file_archiver.rs, chunker/rabin.rs',
    begins: 'ignoring error: Error: Error while backing up `',
    names: 1,
    means: (rest) => named(fileThatCannotBeReadOn(rest)),
  },
  { source: 'archiver.rs', begins: 'ignoring error: ', means: loss },
  // The item is dropped, and with the end of a folder all that comes after it lands elsewhere.
  { source: 'archiver.rs, archiver/parent.rs', begins: 'ignoring error reading parent snapshot: ', means: loss },
  // The entry is in the snapshot, without its extended attributes.
  {
    source: 'backend/ignore/mapper.rs',
    begins: 'ignoring error obtaining xargs: ',
    means: (rest, root) => {
      const file = fileWithoutAttributes(rest, root);
      return file !== undefined && hasNoAttributes(file) ? harmless() : named(file);
    },
  },

  // A parent that is of no use: the files are read.
  { source: 'archiver/parent.rs', begins: 'ignoring error when loading parent tree ', means: harmless },
  {
    source: 'archiver/parent.rs',
    begins: 'ignoring parent node ',
    names: 1,
    means: (rest) => (rest.endsWith(': is no tree!') ? harmless() : undefined),
  },
  {
    source: 'archiver/parent.rs',
    begins: 'missing blobs in index for unchanged file ',
    names: 1,
    means: (rest) => (rest.endsWith('; re-reading file') ? harmless() : undefined),
  },
  { source: 'repofile/snapshotfile.rs', begins: 'Error reading snapshot: ', means: harmless },

  // The scan that adds up sizes beside the backup: what it meets, the backup itself meets too.
  { source: 'archiver.rs', begins: 'error determining backup size: ', means: harmless },
  {
    source: 'backend/ignore.rs',
    begins: 'ignoring error ',
    names: 2,
    means: (rest, root) =>
      /^[^\n:]*\(os error \d+\)$/.test(rest) || entryWithFault(rest, root) !== undefined ? harmless() : undefined,
  },

  // A clock that was set back: packs and indexes are closed by their size alone, a duration is 0.
  {
    source: 'blob/packer.rs, index/indexer.rs',
    begins: "couldn't get elapsed time from system time: ",
    means: harmless,
  },
  { source: 'repofile/snapshotfile.rs', begins: 'ignoring Datetime error: ', means: harmless },

  // Names of owners: their numbers are stored.
  { source: 'backend/ignore/mapper/nix_mapper.rs', begins: 'error getting user from uid ', means: harmless },
  { source: 'backend/ignore/mapper/nix_mapper.rs', begins: 'error getting group from gid ', means: harmless },

  // The cache: the storage is asked instead.
  { source: 'backend/cache.rs', begins: 'Error in cache backend ', means: harmless },
  { source: 'backend/cache.rs, local.rs', begins: 'Error while listing files: ', means: harmless },

  // What the next rustic says in the end, after it has named each file.
  { source: 'rustic: commands/backup.rs', begins: 'Warning: at least one source file ', means: harmless },

  // A backup lists indexes and snapshots: to store nothing twice, and to find a parent.
  { source: 'opendal.rs, local.rs', begins: 'error listing ', means: harmless },
  { source: 'opendal.rs, local.rs', begins: 'Failed to convert file length ', means: harmless },
];

/**
 * What a message means; undefined for one that is not known. One that is known to leave something out, and goes on as none
 * that is known, is a loss without a name.
 *
 * @param root the absolute folder that was backed up
 */
export function meaningOf(text: string, root: string): Meaning | undefined {
  const saying = sayingOf(text);
  const meaning = saying?.means(text.slice(saying.begins.length), root);
  if (meaning === undefined) return saying !== undefined && LEAVES_OUT.test(text) ? { is: 'loss' } : undefined;
  if (!BEGINS_ANOTHER.test(text)) return meaning;
  // A name with what looks like a message in it may have been made to have a loss read as a part of something harmless.
  if (meaning.is === 'harmless') return undefined;
  return meaning.is === 'vanished' ? { is: 'unreadable', file: meaning.file } : meaning;
}

const BEGINS_ANOTHER = /\n\[(INFO|WARN|ERROR)\] /;

/** How far messages of a backup reach. */
export function extentsIn(root: string): Extents {
  return {
    mayHoldName: (text) => sayingOf(text)?.names !== undefined,
    namesIn: (text) => {
      const saying = sayingOf(text);
      return saying?.means(text.slice(saying.begins.length), root) === undefined ? 0 : (saying.names ?? 0);
    },
  };
}

const LEAVES_OUT = /^ignoring error(: | obtaining xargs: )/;

function sayingOf(text: string): Saying | undefined {
  return SAYINGS.find(({ begins }) => text.startsWith(begins));
}

/** What is gone was removed meanwhile. But a root never just vanishes: without it there is nothing to back up. */
export function leftOut(file: UnreadableFile): Meaning {
  const { cause, path } = file;
  return { is: cause === 'vanished' && path.lastIndexOf('/') > 0 ? 'vanished' : 'unreadable', file };
}
