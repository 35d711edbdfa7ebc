import type { Finding } from '../../host-data/index.js';
import { shownBytes } from './findings.js';
import type { SnapshotEntry } from './snapshot-entry.js';
import { ToolFailedError, type ToolLimits } from '../../processes/run-tool.js';
import { compareXattrs } from './xattrs.js';

/** Compares the extended attributes of a tree with the snapshot's. None is kept: some hosts label each of their files. */
export class XattrCheck {
  #entries = 0;

  /** @param privileged whether this process sees and sets `trusted.` and `security.` attributes, as root does */
  constructor(private readonly privileged: boolean) {}

  /** To be told of each entry, so that it is known whether there is anything to compare. */
  expect({ xattrs }: SnapshotEntry): void {
    if (xattrs && xattrs.length > 0) this.#entries += 1;
  }

  /** A snapshot without any attributes is taken at its word: nothing is read then. */
  async compare(
    folder: string,
    entries: () => AsyncIterable<SnapshotEntry>,
    limits: ToolLimits,
    report: (finding: Finding) => void,
  ): Promise<void> {
    if (this.#entries === 0) return;
    const about = (path: Buffer, kind: 'xattr' | 'unchecked', detail: string) =>
      report({ kind, path: shownBytes(path), detail });
    try {
      await compareXattrs(folder, entries(), limits, (found) => {
        if ('unreadable' in found) return about(found.path, 'unchecked', `extended attributes: ${found.unreadable}`);
        const { path, name, is } = found;
        if (is === 'other') return about(path, 'xattr', `${name} has another value than in the backup`);
        if (is === 'missing') {
          const visible = this.privileged || !/^(trusted|security)\./.test(name);
          if (visible) return about(path, 'xattr', `${name} is missing`);
          return about(path, 'unchecked', `${name} can be set and seen by root only`);
        }
        // A host labels its files by itself, as SELinux does.
        if (!name.startsWith('security.')) about(path, 'xattr', `${name} is not in the backup`);
      });
    } catch (error) {
      if (!(error instanceof ToolFailedError)) throw error;
      about(Buffer.alloc(0), 'unchecked', `extended attributes of ${this.#entries} entries: ${error.message}`);
    }
  }
}
