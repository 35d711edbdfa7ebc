export { growTree, type GrownTree, type GrowTreeOptions } from './grow-tree.js';
export { HARD_CASES, type HardCase } from './hard-cases.js';
export { changeTree, type TreeChange } from './change-tree.js';
export { removeTree } from './remove-tree.js';
export { describeTree, walkTree, type TreeDescription } from './describe-tree.js';
export type { EntryType, TreeEntry } from './tree-entry.js';
export {
  compareTrees,
  differenceText,
  type CompareOptions,
  type Difference,
  type DifferenceKind,
} from './compare-trees.js';
export { holdAside, takeUp } from './hold-aside.js';
export { rawPath, readablePath, type RawPath } from './raw-path.js';
