import { countText } from '@buckets/contracts';
import type { BackupRecord, FileProblems, RestoreResult } from '@buckets/contracts';
import type { RestoreResult as RecordedResult } from '../host-data/index.js';

/** What a restore did, as the host claims it. */
export function resultOf(result: RecordedResult, record: BackupRecord | undefined): RestoreResult {
  const problems: FileProblems = {
    total: result.problemCount,
    first: result.problems.map(({ path, kind, detail }) => ({ path, reason: `${kind}: ${detail}` })),
  };
  return {
    backupId: result.backupId,
    backupBeganAt: record?.beganAt ?? new Date(0).toISOString(),
    roots: result.roots,
    files: result.entries - (result.folders ?? 0),
    ...(result.folders === undefined ? {} : { folders: result.folders }),
    bytes: result.bytes,
    ...(result.replaced && { replaced: result.replaced }),
    problems,
    // Sealed when the backup was recorded; the list is found at the backup.
    lacks: { total: record?.unreadable.total ?? 0, first: [] },
  };
}

/** What a restore leaves behind for people to look at; a sentence, if any, without names of files. */
export function leftBy(restore: RestoreResult): { left?: string[] } {
  return keptIn(restore) === 0 ? {} : { left: [KEPT_ASIDE] };
}

const KEPT_ASIDE =
  'What stood in the place of the data is nothing that this assignment accounts for. It is kept aside on the host, in ' +
  '.buckets/kept/ of its data root: the problems in the result name the place. Remove it when it is of no use.';

/** A swap names first what it has found in its way. */
function keptIn({ problems }: RestoreResult): number {
  return problems.first.filter(({ reason }) => reason.startsWith('kept: ')).length;
}

/** What a restore came to that brought something else back than all as it was; nothing of one that is whole. */
export function whatIsMissing(
  restore: RestoreResult,
  { partialBecause }: Pick<BackupRecord, 'partialBecause'>,
): { outcome: 'partial'; code: string; reason: string } | undefined {
  const { problems, lacks } = restore;
  // What was put aside was not to be brought back.
  const others = problems.total - keptIn(restore);
  const isLost = problems.first.some(({ reason }) => reason.startsWith('lost: '));
  const sentences = [
    others > 0 && isLost
      ? `The backup is damaged: ${countText(others, 'entry', 'entries')} could not be brought back, or not as they were; all else is there. ` +
        'The problems in the result name the first of them.'
      : '',
    others > 0 && !isLost ? `${countText(others, 'entry', 'entries')} could not be restored just as they were.` : '',
    lacks.total > 0
      ? `The backup itself lacks ${countText(lacks.total, 'file')} that could not be read when it was made.`
      : '',
  ].filter(Boolean);
  if (sentences.length > 0) return { outcome: 'partial', code: 'incomplete-restore', reason: sentences.join(' ') };
  if (partialBecause.length === 0) return undefined;
  if (partialBecause.every((because) => because === 'unwitnessed')) {
    return { outcome: 'partial', code: 'unwitnessed', reason: UNWITNESSED };
  }
  return { outcome: 'partial', code: 'incomplete-restore', reason: 'The backup is partial: it may lack files.' };
}

const UNWITNESSED =
  'All that the backup holds was brought back. Whether that is all there was, nobody knows: which files could not be read ' +
  'when it was made was never told, or was lost with the log.';
