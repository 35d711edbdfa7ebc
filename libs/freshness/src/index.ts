export { covers, equalCounters } from './covers.js';
export { freshnessOf, lastLook } from './freshness-of.js';
export type { ExistingBackup, Freshness, FreshnessFacts, HeldUntil, LastLook, OutsideChange } from './freshness-of.js';
export { restsOnHost, SCHEDULER_IS_SILENT, shownFreshness } from './shown-freshness.js';
export type { Confirmed, ShownFreshness, StatedFreshness } from './shown-freshness.js';
