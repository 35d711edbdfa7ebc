import type { Finding } from '../../host-data/index.js';

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
