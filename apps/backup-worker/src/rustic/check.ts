import type { BoundedList } from './bounded-list.js';
import { failed, stoppedOrFailed, type Failed, type Ran, type Stopped } from './outcome.js';

export interface CheckOrder {
  /** Reads packs and proves every blob in them: those of part `n` of `of` parts, by their ids. All are transferred. */
  readData?: { n: number; of: number };
  /** Only what these snapshots need; all snapshots otherwise. */
  snapshotIds?: readonly string[];
}

export interface CheckSound {
  outcome: 'sound';
  /** Strange, but nothing is lost. */
  warnings: BoundedList<string>;
}

export interface CheckDamaged {
  outcome: 'damaged';
  errors: BoundedList<string>;
  warnings: BoundedList<string>;
}

export type CheckOutcome = CheckSound | CheckDamaged | Failed | Stopped;

export function checkArguments(order: CheckOrder): string[] {
  const { readData, snapshotIds = [] } = order;
  const subset = readData === undefined ? [] : ['--read-data', `--read-data-subset=${readData.n}/${readData.of}`];
  return ['check', ...subset, ...snapshotIds];
}

export function checkOutcome(ran: Ran): CheckOutcome {
  const { errors, warnings } = ran.transcript;
  const cut = stoppedOrFailed(ran);
  if (cut?.outcome === 'failed' && cut.class === 'repository-damaged') return { outcome: 'damaged', errors, warnings };
  if (cut) return cut;
  // A listing that failed is an error with exit code 0: the check then saw less than there is.
  return errors.total === 0 ? { outcome: 'sound', warnings } : failed(ran);
}
