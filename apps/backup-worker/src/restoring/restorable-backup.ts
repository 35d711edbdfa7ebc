import type { BackupRecord } from '@buckets/contracts';
import type { Repository, Snapshot, WalkedEntry } from '@buckets/repository';
import { AttemptFailed, type Attempt } from '../operations/operation.js';
import { rusticProgress } from '../operations/rustic-progress.js';
import type { ProjectRepository } from '../repository/project-repository.js';
import { readDescription } from '../repository/snapshot-description.js';
import type { RestorableBackup, RestoreWarnings, RootName, SnapshotEntry } from '../restore/index.js';
import type { RestoreOutcome, Rustic } from '../rustic/index.js';
import type { WorkerSettings } from '../settings.js';

/** A backup as the restore takes it: rustic writes it, and the reader says what has to be there. */
export async function restorableBackup(
  attempt: Attempt,
  record: BackupRecord,
  repository: ProjectRepository,
  rustic: Rustic,
  { stallMs, attemptMs: deadlineMs }: Pick<WorkerSettings, 'stallMs' | 'attemptMs'>,
): Promise<RestorableBackup> {
  const reader = await repository.open();
  const snapshot = await reader.snapshot(record.backupId);
  readDescription(snapshot, attempt.projectId);
  return {
    id: record.backupId,
    need: { bytes: record.bytes, entries: record.files + record.folders },
    entries: () => entriesOf(reader, snapshot),
    restoreInto: async (folder, roots, signal) => {
      const both: readonly RootName[] = ['project', 'persist'];
      const outcome = await rustic.restore(
        repository.access,
        record.backupId,
        folder,
        { stallMs, deadlineMs, signal, onProgress: rusticProgress(attempt) },
        both.every((root) => roots.includes(root)) ? {} : { paths: roots.map((root) => `/${root}`) },
      );
      return warningsOf(outcome);
    },
  };
}

function warningsOf(outcome: RestoreOutcome): RestoreWarnings {
  switch (outcome.outcome) {
    case 'succeeded':
      return { warnings: [] };
    case 'partial': {
      const [ofAttributes, ofOthers] = [true, false].map((wanted) =>
        outcome.problems.first
          .filter(({ what }) => (what === 'attributes') === wanted)
          .map(({ path, what }) => `${path}: the ${what} could not be restored`),
      );
      return { warnings: [...ofOthers!, ...outcome.warnings.first], ofAttributes };
    }
    case 'failed':
      throw new AttemptFailed(outcome.class, outcome.reason, { retry: outcome.canPass });
    default:
      throw new AttemptFailed(outcome.outcome, `The restore was ended: ${outcome.outcome}.`, {
        retry: outcome.outcome === 'stalled',
      });
  }
}

async function* entriesOf(repository: Repository, snapshot: Snapshot): AsyncGenerator<SnapshotEntry> {
  for await (const walked of repository.walk(snapshot)) yield entryOf(walked);
}

function entryOf({ path, entry }: WalkedEntry): SnapshotEntry {
  const { type, mode, uid, gid, mtimeNs, size, linkTarget, inode, deviceId, links, device } = entry;
  if (mode === undefined || uid === undefined || gid === undefined || mtimeNs === undefined) {
    throw new AttemptFailed('repository-damaged', 'The backup holds an entry without mode, owner or time.');
  }
  return {
    path,
    type: type === 'dev' ? 'blockdev' : type,
    mode: mode & 0o7777,
    uid,
    gid,
    mtimeNs,
    size,
    ...(linkTarget === undefined ? {} : { linkTarget }),
    inode,
    deviceId,
    links,
    rdev: device,
    xattrs: [...entry.extendedAttributes],
  };
}
