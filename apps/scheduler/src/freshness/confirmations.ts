import { setTimeout as pause } from 'node:timers/promises';
import { MAX_UNSTATED, NO_HOST, type NewConfirmation, type UnstatedProject } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';

/** A project of which something is known that is not stated yet. */
export interface Unstated {
  projectId: string;
  hostId: string;
  /** By the scheduler's clock. */
  since: number;
}

/** Since when there may be something new that nobody has looked at: by the log, and by the word of each host. */
export interface Waiting {
  /** Infinity when nothing waits. */
  byLog: number;
  byHosts: ReadonlyMap<string, number>;
}

/** What a moment of the scheduler's says of what was stated. Moments are those of its clock. */
export interface Known {
  /** Until when all that the log says was read, and how far that is. */
  log: { at: number; position: number };
  waiting: Waiting;
  unstated: readonly Unstated[];
  /** Until when all was heard that each host had to tell; undefined when that is not certain. */
  hosts: Iterable<{ hostId: string; completeAt: number | undefined }>;
  /** The looks on which the freshness of unwatched projects rests. */
  looks: Iterable<{ hostId: string; at: number }>;
}

/**
 * How far what was stated holds: one message for what rests on the log alone, and one for each host. What is not stated yet
 * is left out by name, so that one project that cannot be stated keeps no other from being confirmed.
 */
export function confirmationsAt({ log, waiting, unstated, hosts, looks }: Known, now: number): Sent[] {
  const byLogAt = Math.min(log.at, waiting.byLog);
  const openOf = Map.groupBy(unstated, ({ hostId }) => hostId);
  const lookedAt = new Map<string, number>();
  for (const { hostId, at } of looks) lookedAt.set(hostId, Math.min(at, lookedAt.get(hostId) ?? Infinity));

  const confirm = (hostId: string, at: number): Sent[] => {
    // The longest first: where there are too many, the first that is not named says how far all holds.
    const open = (openOf.get(hostId) ?? []).filter(({ since }) => since < at).sort((a, b) => a.since - b.since);
    const asOf = Math.min(at, open[MAX_UNSTATED]?.since ?? at);
    if (!Number.isFinite(asOf)) return [];
    const ago = (moment: number): number => Math.max(0, Math.ceil(now - moment));
    const left = open.slice(0, MAX_UNSTATED).filter(({ since }) => since < asOf);
    const looked = lookedAt.get(hostId);
    const data = {
      position: log.position,
      agoMs: ago(asOf),
      ...(looked === undefined ? {} : { lookedMs: ago(looked) }),
      unstated: left.map(({ projectId, since }): UnstatedProject => ({
        projectId,
        ...(Number.isFinite(since) ? { ms: ago(since) } : {}),
      })),
    };
    return [{ hostId, data, asOf }];
  };
  return [
    ...confirm(NO_HOST, byLogAt),
    ...[...hosts].flatMap(({ hostId, completeAt = -Infinity }) =>
      confirm(hostId, Math.min(byLogAt, completeAt, waiting.byHosts.get(hostId) ?? Infinity)),
    ),
  ];
}

export type Sent = NewConfirmation & { asOf: number };

export interface ConfirmationsParts {
  /** The position of the last message in the log. */
  endOfLog: () => Promise<number>;
  /**
   * Whether all up to the end that the log had at a moment has been read, and is waiting to be looked at at the least;
   * waits a little for it.
   */
  follows: (end: { position: number; at: number }, signal: AbortSignal) => Promise<boolean>;
  /** All but the log. */
  known: () => Omit<Known, 'log'> & { position: number };
  send: (confirmation: NewConfirmation) => void;
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  everyMs: number;
}

/** Tells over and over how far what was stated holds. Nothing is told while nothing is certain. */
export class Confirmations {
  private reached: { at: number; position: number } | undefined;
  private readonly sent = new Map<string, Sent>();

  constructor(private readonly parts: ConfirmationsParts) {}

  /** Until when all that the log says was read; undefined when that is not certain. */
  get readAt(): number | undefined {
    return this.reached?.at;
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    let failed = false;
    while (!signal.aborted) {
      try {
        await this.tick(signal);
        failed = false;
      } catch (error) {
        if (!failed && !signal.aborted)
          this.parts.log.warn({ error }, 'What was stated cannot be confirmed; trying again');
        failed = true;
      }
      await pause(this.parts.everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async tick(signal: AbortSignal): Promise<void> {
    const { clock, endOfLog, follows, known, send } = this.parts;
    const at = clock.now();
    const end = await endOfLog();
    if (await follows({ position: end, at }, signal)) this.reached = { at, position: end };
    if (this.reached === undefined || signal.aborted) return;
    const { position, ...rest } = known();
    const log = { at: this.reached.at, position: Math.max(position, this.reached.position) };
    for (const confirmation of confirmationsAt({ ...rest, log }, clock.now())) {
      const { hostId, data, asOf } = confirmation;
      const before = this.sent.get(hostId);
      if (before?.asOf === asOf && data.unstated.length === 0 && before.data.unstated.length === 0) continue;
      this.sent.set(hostId, confirmation);
      send({ hostId, data });
    }
  }
}
