/** What a change wants of one source. */
export interface ChangedSource {
  crate: string;
  version: string;
  path: string;
  sha256: string;
  places: { from: number; to: number; lines: string[] }[];
}

export interface Change {
  why: string;
  measured: string;
  sources: ChangedSource[];
}

export function readChange(text: string): Change;
export function changeSource(original: string, sources: ChangedSource[]): string;
