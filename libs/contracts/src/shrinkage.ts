import type { BackupRecord } from './backup.js';
import type { PartialReason } from './vocabulary.js';

/**
 * A source that holds no more than a tenth of the last good backup's bytes is more likely broken than tidied up. What
 * was accepted, or has stayed so small, is a good backup to the control plane, and comes as the one to compare with.
 */
const SUSPICIOUS_FRACTION = 10;

/** Whether a backup holds suspiciously less than the one before: it is then partial, and never chosen by the product. */
export function suspiciousLoss(
  now: Pick<BackupRecord, 'files' | 'bytes'>,
  before: Pick<BackupRecord, 'files' | 'bytes'> | undefined,
): PartialReason[] {
  if (before === undefined || before.files === 0) return [];
  if (now.files === 0) return ['empty'];
  return before.bytes > 0 && now.bytes * SUSPICIOUS_FRACTION <= before.bytes ? ['shrunken'] : [];
}
