/** Operations of one kind that have come to nothing in a row. */
export interface InVain {
  times: number;
  /** When the last of them ended; milliseconds since 1970. */
  at: number;
}

const FIRST_RETRY_MS = 60_000;
export const LONGEST_RETRY_MS = 6 * 60 * 60_000;

/** When another one is due at the earliest: later after each, and some hours later at most. Pure. */
export function afterVain(inVain: InVain | undefined): number {
  return inVain === undefined ? 0 : inVain.at + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (inVain.times - 1));
}
