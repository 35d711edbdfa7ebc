/** @throws RangeError unless it is a whole id, as rustic would take "latest" or the beginning of an id for another */
export function refuseSnapshotId(id: string): void {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new RangeError('A snapshot is named by its whole id, 64 hexadecimal digits.');
}

/** @throws RangeError for what rustic would take for several tags */
export function refuseTag(tag: string): void {
  if (!/^[^,\s\0]+$/.test(tag)) throw new RangeError('A tag has no comma and no white space.');
}

/** @throws RangeError for a path that leads out of the snapshot, or that rustic would read otherwise */
export function refusePath(path: string): void {
  const [beginning, ...parts] = path.split('/');
  if (beginning !== '' || parts.some((part) => /^\.{0,2}$/.test(part)) || path.includes('\0')) {
    throw new RangeError('A path of a backup begins with a slash and has no empty, "." or ".." part.');
  }
}

/** @throws RangeError for what cannot be the one line of a password file */
export function refusePassword(password: string): void {
  if (!/^[^\r\n\0]+$/.test(password)) throw new RangeError('A recovery password is one line of text.');
}
