import { countText } from '@buckets/contracts';
import type { BackupRecord, FileProblems } from '@buckets/contracts';
import {
  joined,
  type BackupPartial,
  type BackupSucceeded,
  type BoundedList,
  type UnreadableFile,
} from '../rustic/index.js';

export type Lacks = Pick<BackupRecord, 'partialBecause' | 'unreadable' | 'vanished' | 'warnings'>;

/** What a backup lacks by rustic's word. What it does not name is told word for word, and counted as no file. */
export function lacksOf(outcome: BackupSucceeded | BackupPartial): Lacks {
  const vanished = outcome.vanished.total === 0 ? {} : { vanished: problemsOf(outcome.vanished) };
  if (outcome.outcome === 'succeeded') return { partialBecause: [], unreadable: { total: 0, first: [] }, ...vanished };
  const { unreadable, losses, unknown } = outcome;
  const warnings = joined(losses, unknown);
  return {
    partialBecause: [
      ...(unreadable.total + losses.total > 0 ? (['unreadable-files'] as const) : []),
      ...(unknown.total > 0 ? (['unknown-warnings'] as const) : []),
    ],
    unreadable: problemsOf(unreadable),
    ...(warnings.total === 0 ? {} : { warnings }),
    ...vanished,
  };
}

function problemsOf({ total, first }: BoundedList<UnreadableFile>): FileProblems {
  return { total, first: first.map(({ path, reason }) => ({ path, reason })) };
}

function filesIn(total: number): string {
  if (total === 0) return 'Files that rustic does not name';
  return countText(total, 'file');
}

/** For people. */
export function whyPartial({
  partialBecause,
  unreadable,
}: Pick<BackupRecord, 'partialBecause' | 'unreadable'>): string {
  const sentences: Record<BackupRecord['partialBecause'][number], string> = {
    'unreadable-files': `${filesIn(unreadable.total)} could not be read, or not whole.`,
    'unknown-warnings': 'rustic gave warnings that are not understood: nobody knows whether some files are missing.',
    unwitnessed:
      'The worker that made the backup ended before it could say whether every file was read: some may be missing.',
    empty:
      'The project holds no file, although the backup before held some. Look whether its data are there; accept the backup if it is meant to be empty.',
    shrunken:
      'The project holds less than a tenth of what the backup before held. Look whether its data are there; accept the backup if it is meant to be so small.',
  };
  return partialBecause.map((because) => sentences[because]).join(' ');
}
