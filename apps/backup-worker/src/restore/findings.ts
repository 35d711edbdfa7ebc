/** What can differ between a snapshot's entry and the one on disk. */
export type FindingKind =
  | 'missing'
  | 'extra'
  | 'type'
  | 'size'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'link-target'
  | 'device'
  | 'xattr'
  /** Which names are hard links to the same file. */
  | 'hard-link'
  /** The same for what is not a regular file, which rustic does not link again. */
  | 'special-hard-link'
  /** Something that could not be looked at. */
  | 'unchecked'
  /** Something that the restoring program complained about. */
  | 'warning'
  /** What the repository does not hold any more. */
  | 'lost'
  /** What stood in a root's place and no record of this assignment accounts for, and where it is now. */
  | 'kept';

export interface Finding {
  kind: FindingKind;
  /** Relative to the project, for people: bytes that are no UTF-8 and control characters are shown as \xNN. */
  path: string;
  detail: string;
}

/** How many findings a list carries at most; the count goes on. */
export const LISTED_FINDINGS = 100;

/** Counts findings and keeps the first of them. */
export class FindingList {
  count = 0;
  readonly #kept: Finding[] = [];

  add(finding: Finding): void {
    this.count += 1;
    if (this.#kept.length < LISTED_FINDINGS) this.#kept.push(finding);
  }

  /** By their paths: they were found side by side. */
  get first(): Finding[] {
    return this.#kept.toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  }
}

/** Raw bytes of a name as text that is safe to show. */
export function shownBytes(bytes: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // No UTF-8: every byte beyond ASCII is shown as a number.
    text = bytes.toString('latin1').replace(/[\x80-\xff]/g, numbered);
  }
  return text.replace(/[\x00-\x1f\x7f]/g, numbered);
}

function numbered(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
