export const ENTRY_TYPES = ['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket'] as const;

export type EntryType = (typeof ENTRY_TYPES)[number];

/**
 * The `st_mode` of an entry. Trees hold modes as Go's `fs.FileMode`: the nine permission bits where POSIX has them, the
 * rest elsewhere. The kind of file is taken from the entry's type, as rustic leaves it out of the mode of a
 * character device (rustic_core 0.13.0, src/backend/ignore/mapper/nix_mapper.rs).
 */
export function posixMode(type: EntryType, goMode: number): number {
  let mode = FILE_KIND[type] | (goMode & 0o777);
  if (goMode & GO_SETUID) mode |= 0o4000;
  if (goMode & GO_SETGID) mode |= 0o2000;
  if (goMode & GO_STICKY) mode |= 0o1000;
  return mode;
}

const GO_SETUID = 1 << 23;
const GO_SETGID = 1 << 22;
const GO_STICKY = 1 << 20;

/** inode(7) */
const FILE_KIND: Record<EntryType, number> = {
  file: 0o100000,
  dir: 0o040000,
  symlink: 0o120000,
  dev: 0o060000,
  chardev: 0o020000,
  fifo: 0o010000,
  socket: 0o140000,
};
