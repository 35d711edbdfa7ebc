import {
  momentAt,
  PROJECT_TROUBLES,
  newestFirst,
  type ChangeCounter,
  type ChangeReport,
  type FreshnessState,
  type PartialReason,
  type ProjectTrouble,
  type Placed,
} from '@buckets/contracts';
import { covers } from './covers.js';

/** A backup that has not been deleted. */
export interface ExistingBackup extends Placed {
  backupId: string;
  /** Before its counter was read; milliseconds since 1970. */
  beganAt: number;
  counter: ChangeCounter;
  /** Empty when it holds all that there was, as things stand: what was accepted lacks nothing. */
  partialBecause: readonly PartialReason[];
  /** A deletion may have removed it: it stands for nothing until it has been looked for. */
  inDoubt: boolean;
  /** Something of it is lost: it stands for nothing until it is whole again. */
  damaged: boolean;
}

/** A change that was reported from outside the project's host. */
export interface OutsideChange {
  position: number;
  /** Milliseconds since 1970. */
  at: number;
  source: string;
}

/** Until a moment, in milliseconds since 1970, the project held nothing that this backup lacks. */
export interface HeldUntil {
  backupId: string;
  at: number;
}

/** All that freshness depends on. */
export interface FreshnessFacts {
  /** Null of a project that was not assigned to any host yet. */
  hostId?: string | null;
  generation: number;
  /** Whether the data are on the host of this generation. */
  provisioned: boolean;
  /** Until when a backup was certain to lack nothing: what it lacks by now has changed then or later. */
  heldUntil?: HeldUntil | null;
  /** Where the log says that a backup was brought back; null when the present data came otherwise. */
  restoredPosition?: number | null;
  /** Milliseconds since 1970. */
  createdAt: number;
  backups: readonly ExistingBackup[];
  outsideChanges: readonly OutsideChange[];
  /** The latest one; of another generation it counts for nothing. */
  report?: ChangeReport;
  /** When the worker process that made the report was last heard of, or the host; by the clock that `now` is of. */
  hostSeenAt?: number;
  /** When the report was heard, by the same clock; default: just now. */
  reportHeardAt?: number;
  silenceLimitMs: number;
}

export interface Freshness {
  freshness: FreshnessState;
  /** RFC 3339; only of what is stale. Changes that no backup holds began then or later, never earlier. */
  staleSince?: string;
  /** A sentence for people, without times and counts: it changes when the case does. */
  reason: string;
  /** The newest of the backups that hold everything; only of what is fresh. */
  coveredBy?: string;
  /** The backup that lacks nothing from before `staleSince`; only of what is stale. */
  lastCoveredBy?: string;
  /** How far the changes had come that were looked at. */
  counter?: ChangeCounter;
  /** False of what is fresh as of the last look at all of it: nobody watches it in between. */
  watched?: false;
}

/** When all of a project was last looked at, and until when that is enough; by the clock of `now`. */
export interface LastLook {
  at: number;
  isEnoughUntil: number;
}

/** Looks that a host may miss, and what a look and its report may take beside. */
const LOOKS = 3;
const LOOK_SLACK_MS = 10_000;

/**
 * The last look that a report tells of: it is enough for three times as long as the host means to take between two, and ten
 * seconds. Undefined where the host does not say.
 */
export function lastLook(
  { lookedMs = Number.POSITIVE_INFINITY, lookEveryMs }: Pick<ChangeReport, 'lookedMs' | 'lookEveryMs'>,
  heardAt: number,
): LastLook | undefined {
  if (lookEveryMs === undefined) return undefined;
  const at = heardAt - lookedMs;
  return { at, isEnoughUntil: at + LOOKS * lookEveryMs + LOOK_SLACK_MS };
}

/**
 * Whether some backup holds all that the project holds. May be too careful, never wrong, as far as the host has told.
 *
 * @param now milliseconds since 1970
 */
export function freshnessOf(facts: FreshnessFacts, now: number): Freshness {
  if (facts.backups.length === 0) return { freshness: 'never', reason: 'No backup of it exists.' };
  if (facts.hostId === null) return unknown('It has no host yet.');
  if (!facts.provisioned) return unknown('Its host has no data of its present assignment yet.');
  const { hostSeenAt = Number.NEGATIVE_INFINITY, report } = facts;
  if (now - hostSeenAt > facts.silenceLimitMs) return unknown('Its host is silent.');
  if (report === undefined || report.counter.generation !== facts.generation) {
    return unknown('Its host has not reported on it yet.');
  }
  if (report.trouble !== undefined) return unknown(troubleInWords(report.trouble));

  const backups = newestFirst(facts.backups);
  const complete = backups.filter(isComplete);
  const covering = complete.find((backup) => firstLacking(backup, report, facts) === undefined);
  const { counter } = report;
  if (covering !== undefined) {
    const { watched } = report;
    const look = lastLook(report, facts.reportHeardAt ?? now);
    if (look === undefined && !watched)
      return unknown('Nobody watches it, and its host does not say when it last looked.');
    if (look !== undefined && now > look.isEnoughUntil) return unknown(NOT_LOOKED_AT);
    const fresh = { freshness: 'fresh', coveredBy: covering.backupId, counter } as const;
    if (watched) return { ...fresh, reason: 'A backup holds everything.' };
    return {
      ...fresh,
      reason: 'A backup holds all that its host saw when it last looked: nobody watches it.',
      watched,
    };
  }
  // Each backup gives a moment before which nothing happened that it lacks; the latest such moment says most.
  const lacking = complete.map((backup) => ({ backup, at: firstLacking(backup, report, facts)! }));
  const last = lacking.toSorted((a, b) => b.at - a.at).at(0);
  return {
    freshness: 'stale',
    staleSince: momentAt(last?.at ?? facts.createdAt),
    reason: reasonOfStale(backups[0]!, report, facts),
    ...(last === undefined ? {} : { lastCoveredBy: last.backup.backupId }),
    counter,
  };
}

const NOT_LOOKED_AT = 'Its host has not been able to look through it for a while.';

function unknown(reason: string): Freshness {
  return { freshness: 'unknown', reason };
}

/** The earliest moment at which something can have changed that a backup lacks; undefined when it lacks nothing. */
function firstLacking(backup: ExistingBackup, report: ChangeReport, facts: FreshnessFacts): number | undefined {
  const changes = [firstReported(backup, report), outsideChangeSince(backup, facts)?.at];
  const known = changes.filter((at) => at !== undefined);
  if (known.length === 0) return undefined;
  const { heldUntil } = facts;
  // What a new epoch, or a clock that was set back, says of earlier is no news: that was certain before.
  const held = heldUntil?.backupId === backup.backupId ? heldUntil.at : backup.beganAt;
  return Math.max(Math.min(...known), backup.beganAt, held);
}

function firstReported(backup: ExistingBackup, report: ChangeReport): number | undefined {
  if (covers(backup.counter, report)) return undefined;
  const { generation, epoch, n } = backup.counter;
  const first =
    generation === report.counter.generation &&
    report.firstChanges.find((change) => change.epoch === epoch && change.n === n);
  // Nobody who remembers watched from its beginning on: it can have changed at once.
  return first ? first.at : backup.beganAt;
}

/** What was reported from outside is in a backup only if it was there before the backup was allowed to begin. */
function outsideChangeSince(backup: ExistingBackup, { outsideChanges }: FreshnessFacts): OutsideChange | undefined {
  return outsideChanges
    .filter(({ position }) => position > backup.beganPosition)
    .toSorted((a, b) => a.at - b.at)
    .at(0);
}

function reasonOfStale(newest: ExistingBackup, report: ChangeReport, facts: FreshnessFacts): string {
  if (newest.inDoubt) return 'A deletion may have removed its newest backup, which is being looked for.';
  if (newest.damaged)
    return 'Its newest backup is damaged: something of it is lost in the bucket. The next one mends what it can.';
  if (!isComplete(newest)) {
    return `The newest backup is partial: ${newest.partialBecause.map((reason) => PARTIAL[reason]).join(', ')}.`;
  }
  const outside = outsideChangeSince(newest, facts);
  if (wasRestoredAfter(newest, facts) && outside === undefined) {
    return 'Restored since its newest backup began: whether anything has changed since is known after the next backup.';
  }
  if (outside !== undefined) return `Changed by ${outside.source} since its newest backup began.`;
  if (newest.counter.generation !== report.counter.generation) {
    return 'It came to its host after its newest backup, and has had no backup there yet.';
  }
  if (isOfEpoch(newest, report)) {
    return newest.counter.n > report.counter.n
      ? 'Its host has not reported on it since its newest backup began.'
      : 'Changed since its newest backup began.';
  }
  if (report.counter.n > 0 && report.lastChangeSource === 'watcher') {
    return 'Changed since the host began to watch it anew, after its newest backup.';
  }
  return 'The host began to watch it anew after its newest backup, and no scan has shown yet that nothing changed.';
}

function wasRestoredAfter(newest: ExistingBackup, { restoredPosition }: FreshnessFacts): boolean {
  return restoredPosition != null && restoredPosition > newest.beganPosition;
}

const PARTIAL: Record<PartialReason, string> = {
  'unreadable-files': 'some files could not be read',
  'unknown-warnings': 'rustic gave a warning that is not understood',
  unwitnessed: 'nobody knows whether all files could be read',
  empty: 'the project was suddenly empty',
  shrunken: 'the project had suddenly shrunken',
};

const TROUBLE: Record<ProjectTrouble, string> = {
  'data-root-missing': 'The file system of its host that holds the projects is not mounted, or lacks its marker.',
  'data-root-foreign': 'The folder that should hold the projects of its host is marked as that of another host.',
  unreadable: 'Its host cannot read what it has of it.',
  hidden: 'Something is mounted over its data: what stands there now is not what was backed up.',
  'unrecorded-data': 'What stands in the place of its data is not what its host has put there.',
  'other-assignment': 'What its host has of it came with another assignment.',
  'data-missing': 'Its data are not on its host any more.',
};

function troubleInWords(trouble: string): string {
  const known = PROJECT_TROUBLES.find((each) => each === trouble);
  // A host may be of a later version.
  return known === undefined ? 'Its host cannot look at its data.' : TROUBLE[known];
}

function isComplete({ partialBecause, inDoubt, damaged }: ExistingBackup): boolean {
  return partialBecause.length === 0 && !inDoubt && !damaged;
}

function isOfEpoch({ counter }: ExistingBackup, report: ChangeReport): boolean {
  return counter.generation === report.counter.generation && counter.epoch === report.counter.epoch;
}
