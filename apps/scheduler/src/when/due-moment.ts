/**
 * The kinds of work that fall due at a moment. `backup`, `retention`, `orphans`, `doubts` and `verification` are work of
 * a project, one of each at most; `limit` and `cancel` are work of an operation that is open.
 */
export const DUE_KINDS = ['backup', 'retention', 'orphans', 'doubts', 'verification', 'limit', 'cancel'] as const;
export type DueKind = (typeof DUE_KINDS)[number];

/** Work that falls due once, as things stand: another event may put it off, bring it forward, or do away with it. */
export interface DueMoment {
  kind: DueKind;
  /** What it is about where a thing may have more than one of a kind, such as an operation; empty otherwise. */
  subject?: string;
  /** The same as long as it is the same work, however often it is asked for, and by however many copies of the scheduler. */
  key: string;
  /** Milliseconds since 1970, before what settings add to it. */
  dueAt: number;
  /** Not before this moment either, whatever settings say. */
  heldUntil?: number;
  /**
   * How long it waits at most from what it is counted from. What is further away than twice as long was set by a clock
   * that was wrong, and waits so long from when that is seen. Without it no clock brings it forward.
   */
  waitsMs?: number;
}
