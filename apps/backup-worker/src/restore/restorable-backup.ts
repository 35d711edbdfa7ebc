import type { BackupRecord } from '@buckets/contracts';
import type { LostEntry, ReadablePart, Repository, WalkedEntry } from '@buckets/repository';
import { failureOf } from '../operations/failures.js';
import { unlessAborted } from '../operations/waiting.js';
import { AttemptFailed, type Attempt } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import type { ProjectRepository } from '../repository/project-repository.js';
import { readDescription } from '../repository/snapshot-description.js';
import type { Finding, RootName } from '../host-data/index.js';
import type { RestoreOutcome, Rustic } from '../rustic/index.js';
import { shownBytes } from './check/findings.js';
import type { SnapshotEntry } from './check/snapshot-entry.js';
import type { RestorableBackup, RestoreWarnings } from './staged-restore.js';

const TELL_EVERY_MS = 500;

/**
 * A backup as the restore takes it: rustic writes it, and the reader says what has to be there.
 *
 * @param part of a damaged backup, what can be read of it
 */
export async function restorableBackup(
  attempt: Attempt,
  record: BackupRecord,
  repository: ProjectRepository,
  rustic: Rustic,
  part?: ReadablePart,
): Promise<RestorableBackup> {
  const { signal } = attempt;
  const reader = await unlessAborted(signal, repository.open());
  const whole = await unlessAborted(signal, reader.snapshot(record.backupId));
  readDescription(whole, attempt.projectId);
  const { id: snapshotId, tree } = part ? await unlessAborted(signal, reader.snapshot(part.snapshotId)) : whole;
  return {
    id: record.backupId,
    ...(part === undefined ? {} : { lost: (roots) => lostOf(part, roots) }),
    need: {
      bytes: record.bytes,
      entries: record.files + record.folders,
      filled: () => filledBytes(attempt, reader, tree),
    },
    entries: () => told(attempt, record, entriesOf(reader, tree, signal)),
    restoreInto: async (folder, roots) => {
      const both: readonly RootName[] = ['project', 'persist'];
      const outcome = await rustic.restore(
        repository.access,
        snapshotId,
        folder,
        rusticCall(attempt),
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
    default:
      throw failureOf(outcome);
  }
}

/** The bytes that a restore writes. */
async function filledBytes({ alive, signal }: Attempt, reader: Repository, tree: string): Promise<number> {
  let bytes = 0;
  for await (const { entry } of reader.walk(tree, { signal })) {
    alive();
    if (entry.type === 'file') bytes += await reader.filledLength(entry);
  }
  return bytes;
}

/** The entries as they are, each one of them a sign of work. */
async function* told(
  attempt: Attempt,
  { files: filesTotal, bytes: bytesTotal }: BackupRecord,
  entries: AsyncIterable<SnapshotEntry>,
): AsyncGenerator<SnapshotEntry> {
  let [filesDone, bytesDone, toldAt] = [0, 0, 0];
  for await (const entry of entries) {
    yield entry;
    attempt.alive();
    if (entry.type !== 'file') continue;
    filesDone += 1;
    bytesDone += Number(entry.size);
    if (performance.now() - toldAt < TELL_EVERY_MS) continue;
    toldAt = performance.now();
    attempt.progress({ phase: 'verifying', filesDone, filesTotal, bytesDone, bytesTotal });
  }
}

async function* entriesOf(repository: Repository, tree: string, signal: AbortSignal): AsyncGenerator<SnapshotEntry> {
  for await (const walked of repository.walk(tree, { signal })) {
    // What a restore brings back is the content; a file that changed while it was read had another size before.
    const { type, size } = walked.entry;
    yield entryOf(walked, type === 'file' ? await repository.contentLength(walked.entry) : size);
  }
}

function lostOf({ lost }: ReadablePart, roots: readonly RootName[]): { total: number; first: Finding[] } {
  const all = roots.flatMap((root) => lost.get(root) ?? []);
  return {
    total: all.reduce((sum, { total }) => sum + total, 0),
    first: all.flatMap(({ first }) => first.map(findingOf)),
  };
}

function findingOf({ path, type }: LostEntry): Finding {
  const detail =
    type === 'file'
      ? 'its content is damaged in the repository, and left out'
      : 'the list of what it holds is damaged in the repository: nothing of that was brought back';
  return { kind: 'lost', path: shownBytes(path), detail };
}

function entryOf({ path, entry }: WalkedEntry, size: number): SnapshotEntry {
  const { type, mode, uid, gid, mtimeNs, linkTarget, inode, deviceId, links, device } = entry;
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
