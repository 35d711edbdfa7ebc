import { countText } from '@buckets/contracts';
import type { Backup } from './api.js';
import { bytesText, percentText } from './quantities.js';

/** Lays rows out in columns: the first and the last to the left, those between, which hold numbers, to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('   ')
      .trimEnd(),
  );
}

/** What the bucket need not hold although the backups do. */
export function savingLines(backups: readonly Pick<Backup, 'bytes' | 'bytesAdded' | 'bytesStored'>[]): string[] {
  const sum = (of: 'bytes' | 'bytesAdded' | 'bytesStored') => backups.reduce((total, backup) => total + backup[of], 0);
  const [held, added, stored] = [sum('bytes'), sum('bytesAdded'), sum('bytesStored')];
  const all = `${countText(backups.length, 'backup')} of ${bytesText(held)}${backups.length > 1 ? ' together take' : ' takes'}`;
  if (stored >= held) return [`${all} ${bytesText(stored)} in the bucket.`];
  return [
    `${all} ${bytesText(stored)} in the bucket, ${percentText(held - stored, held)} less:`,
    `deduplication saved ${bytesText(Math.max(0, held - added))}, compression ${bytesText(Math.max(0, added - stored))}.`,
  ];
}
