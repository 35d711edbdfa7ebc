import type { RawPath } from './raw-path.js';

export type EntryType = 'file' | 'folder' | 'link' | 'fifo' | 'socket' | 'character-device' | 'block-device';

/** What a faithful copy of one entry has in common with the original. Plain JSON values only. */
export interface TreeEntry {
  type: EntryType;
  /** The twelve permission bits, setuid, setgid and sticky included. */
  mode: number;
  uid: number;
  gid: number;
  /** Nanoseconds since 1970 in decimal; a number would lose digits. */
  mtimeNs: string;
  /** Extended attributes, name (latin1) to value (hex). */
  xattrs: Record<string, string>;
  /** Names of this file on its file system; left out for folders, where each file system counts in its own way. */
  links?: number;
  /** For a file with several names in the tree: the first of them, in the order of the walk. */
  linkedTo?: RawPath;
  /** Files: length in bytes. */
  size?: number;
  /** Files: bytes on disk, so that a hole can be told from zeros. */
  allocated?: number;
  /** Files: SHA-256 of the content, hex. */
  sha256?: string;
  /** Links: the target's bytes, one character each (latin1). */
  target?: string;
  /** Devices: major and minor number as the kernel packs them. */
  device?: number;
  /** Why the content or the attributes could not be read: such an entry equals nothing. */
  unreadable?: string;
}
