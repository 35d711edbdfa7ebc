import { ToolFailedError } from './errors.js';
import { shownBytes } from './findings.js';
import type { Finding } from './findings.js';
import type { SnapshotEntry } from './snapshot-entry.js';
import type { ToolLimits } from './tool.js';
import { digestsOf, readXattrs } from './xattrs.js';

/** Compares the extended attributes of a tree with the snapshot's, once all of its entries are known. */
export class XattrCheck {
  readonly #expected = new Map<string, Map<string, string>>();

  /** @param privileged whether this process sees and sets `trusted.` and `security.` attributes, as root does */
  constructor(private readonly privileged: boolean) {}

  expect({ path, xattrs }: SnapshotEntry): void {
    if (xattrs && xattrs.length > 0) this.#expected.set(path.toString('latin1'), digestsOf(xattrs));
  }

  /** A snapshot without any attributes is taken at its word: nothing is read then. */
  async compare(
    folder: string,
    roots: readonly string[],
    limits: ToolLimits,
    report: (finding: Finding) => void,
  ): Promise<void> {
    if (this.#expected.size === 0) return;
    const about = (path: string | Buffer, kind: 'xattr' | 'unchecked', detail: string) =>
      report({ kind, path: shownBytes(typeof path === 'string' ? Buffer.from(path, 'latin1') : path), detail });
    try {
      await readXattrs(folder, roots, limits, (found) => {
        const path = found.path.toString('latin1');
        if ('unreadable' in found) {
          this.#expected.delete(path);
          return about(found.path, 'unchecked', `extended attributes: ${found.unreadable}`);
        }
        const expected = this.#expected.get(path);
        const digest = expected?.get(found.name);
        expected?.delete(found.name);
        if (digest === found.digest) return;
        if (digest !== undefined) about(found.path, 'xattr', `${found.name} has another value than in the backup`);
        // A host labels its files by itself, as SELinux does.
        else if (!found.name.startsWith('security.')) about(found.path, 'xattr', `${found.name} is not in the backup`);
      });
    } catch (error) {
      if (!(error instanceof ToolFailedError)) throw error;
      return about('', 'unchecked', `extended attributes of ${this.#expected.size} entries: ${error.message}`);
    }
    for (const [path, names] of this.#expected) {
      for (const name of names.keys()) {
        const visible = this.privileged || !/^(trusted|security)\./.test(name);
        if (visible) about(path, 'xattr', `${name} is missing`);
        else about(path, 'unchecked', `${name} can be set and seen by root only`);
      }
    }
  }
}
