import { Refused } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';

/** What became of a request: `failed` may go well the next time as things stand, `refused` may not. */
export type RequestOutcome = 'requested' | 'refused' | 'failed';

export interface PacedRequestsParts<Command extends { projectId: string }> {
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane. */
  request: (command: Command) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: ((outcome: RequestOutcome) => void) | undefined;
  /** What to say of a request that came to nothing. */
  failed: string;
  /** How long what was accepted is not asked for again, in milliseconds; by default until the tables show it for certain. */
  askedPauseMs?: number;
  refusedPauseMs: number;
  /** A refusal with this code is nothing to warn of. */
  expected?: string;
}

/** A request, and what its pauses go by. */
export interface PacedRequest<Command> {
  key: string;
  command: Command;
}

/** The tables show a request soon; until then it is not repeated. */
export const ASKED_PAUSE_MS = 60_000;
/** After the first failure; then twice as long each time, up to the pause of what was refused. */
export const FAILED_PAUSE_MS = 15_000;
/** Beyond it the oldest pause ends early. */
export const MAX_PAUSES = 10_000;
/** For each request that may be accepted, so many are made at most. */
const TRIES = 5;

interface Pause {
  /** By the clock of pauses. */
  until: number;
  /** The code of the refusal, if it was one. */
  refusedFor?: string;
  /** How often in a row it has failed. */
  failures: number;
}

/**
 * Requests that follow from the tables: none by tables that were put back, each with a pause before it is made again, and
 * none of them in the way of others that would be accepted.
 */
export class PacedRequests<Command extends { projectId: string }> {
  private readonly pauses = new Map<string, Pause>();
  private furthest = 0;

  constructor(private readonly parts: PacedRequestsParts<Command>) {}

  /** Whether the tables are as far as they were; those that were put back tell of the past, and ask for what is done. */
  async mayFollow(): Promise<boolean> {
    const position = await this.parts.position();
    if (position < this.furthest) return false;
    this.furthest = position;
    this.forgetWhatIsOver();
    return true;
  }

  /** The keys of what is not to be asked for now. */
  get paused(): string[] {
    return [...this.pauses.keys()].filter((key) => this.isPaused(key));
  }

  isPaused(key: string): boolean {
    return this.pauseOf(key) !== undefined;
  }

  /** The code with which it was refused, as long as that holds. */
  refusalOf(key: string): string | undefined {
    return this.pauseOf(key)?.refusedFor;
  }

  /**
   * Asks for one after the other until so many were accepted. What is paused or refused takes nobody's place; what fails
   * does, as it may be everybody's.
   */
  async askForSome(
    wanted: Iterable<PacedRequest<Command>> | AsyncIterable<PacedRequest<Command>>,
    atMost: number,
  ): Promise<void> {
    let [room, tries] = [atMost, TRIES * atMost];
    for await (const request of wanted) {
      if (this.isPaused(request.key)) continue;
      if ((await this.ask(request)) !== 'refused') room--;
      if (room === 0 || --tries === 0) return;
    }
  }

  /** Asks, whether it is paused or not. Never throws. */
  async ask({ key, command }: PacedRequest<Command>): Promise<RequestOutcome> {
    const { request, log, ended, failed, expected, refusedPauseMs, askedPauseMs = ASKED_PAUSE_MS } = this.parts;
    let outcome: RequestOutcome = 'requested';
    try {
      await request(command);
      this.pause(key, { ms: askedPauseMs, failures: 0 });
    } catch (error) {
      if (error instanceof Refused && !error.refusal.retry) {
        outcome = 'refused';
        this.pause(key, { ms: refusedPauseMs, refusedFor: error.code, failures: 0 });
        if (error.code === expected) return outcome;
      } else {
        outcome = 'failed';
        const failures = (this.pauses.get(key)?.failures ?? 0) + 1;
        this.pause(key, { ms: Math.min(refusedPauseMs, FAILED_PAUSE_MS * 2 ** (failures - 1)), failures });
      }
      log.warn({ error, ...command }, failed);
    }
    ended?.(outcome);
    return outcome;
  }

  private pauseOf(key: string): Pause | undefined {
    const pause = this.pauses.get(key);
    return pause !== undefined && pause.until > this.parts.clock.now() ? pause : undefined;
  }

  private pause(key: string, { ms, ...about }: { ms: number } & Omit<Pause, 'until'>): void {
    this.pauses.delete(key);
    this.pauses.set(key, { until: this.parts.clock.now() + ms, ...about });
    if (this.pauses.size <= MAX_PAUSES) return;
    const [oldest] = this.pauses.keys();
    this.pauses.delete(oldest!);
  }

  /** How often something has failed is remembered for a while, so that it is known when it fails again. */
  private forgetWhatIsOver(): void {
    const now = this.parts.clock.now();
    for (const [key, { until, failures }] of this.pauses) {
      if (until + (failures === 0 ? 0 : this.parts.refusedPauseMs) <= now) this.pauses.delete(key);
    }
  }
}
