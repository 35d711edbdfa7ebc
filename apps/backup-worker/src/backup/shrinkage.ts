import type { BackupRecord, PartialReason } from '@buckets/contracts';

/** A source that has lost this share of its bytes since the last good backup is more likely broken than tidied up. */
const SUSPICIOUS_LOSS = 0.9;

/** Whether a backup holds suspiciously less than the one before: it is then partial, and never chosen by the product. */
export function suspiciousLoss(
  now: Pick<BackupRecord, 'files' | 'bytes'>,
  before: Pick<BackupRecord, 'files' | 'bytes'> | undefined,
): PartialReason[] {
  if (before === undefined || before.files === 0) return [];
  if (now.files === 0) return ['empty'];
  return now.bytes <= before.bytes * (1 - SUSPICIOUS_LOSS) && before.bytes > 0 ? ['shrunken'] : [];
}
