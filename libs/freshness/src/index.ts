export { covers, equalCounters } from './covers.js';
export { freshnessOf } from './freshness-of.js';
export type { ExistingBackup, Freshness, FreshnessFacts, OutsideChange } from './freshness-of.js';
