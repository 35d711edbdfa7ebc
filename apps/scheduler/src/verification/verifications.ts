import type { Commands } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { Clock } from '../activity/clock.js';
import { everyTick } from '../leadership/every-tick.js';
import { PacedRequests, type RequestOutcome } from '../requests/paced-requests.js';
import type { VerificationTables } from './verification-tables.js';

type Verification = Commands['request-verify']['command'];

export interface VerificationsParts {
  tables: Pick<VerificationTables, 'due'>;
  /** The position in the log that the tables have reached. */
  position: () => Promise<number>;
  /** Asks the control plane for a verification. */
  request: (command: Verification) => Promise<unknown>;
  /** For pauses only. */
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Called with how each request ended, for the metrics. */
  ended?: (outcome: RequestOutcome) => void;
  tickMs: number;
  /** Between two looks at one repository. */
  intervalMs: number;
}

/** New requests in one tick: nobody waits for them. */
const AT_MOST = 5;
/** A project is asked about no more often, whatever came of it and whatever clocks say. */
const PAUSE_MS = 60 * 60_000;
/** Of those that are due. */
const LOOKED_AT = 50;

/** Has each repository looked at now and then, whether what should be in it is there: a few at a time, by turns. */
export class Verifications {
  /** Their pauses are those of projects. */
  private readonly requests: PacedRequests<Verification>;

  constructor(private readonly parts: VerificationsParts) {
    const pauseMs = Math.min(PAUSE_MS, parts.intervalMs);
    const failed = 'A repository could not be had verified';
    this.requests = new PacedRequests({ ...parts, failed, askedPauseMs: pauseMs, refusedPauseMs: PAUSE_MS });
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { tickMs, log } = this.parts;
    const failed = 'What is to be verified could not be looked for; trying again';
    await everyTick((now) => this.tick(now), { tickMs, log, failed, signal });
  }

  async tick(now: number): Promise<void> {
    const { tables, intervalMs } = this.parts;
    // Tables that were put back do not know what was looked at since.
    if (!(await this.requests.mayFollow())) return;
    const due = await tables.due({ now, intervalMs, except: this.requests.paused, limit: LOOKED_AT });
    const wanted = due.map((command) => ({ key: command.projectId, command }));
    await this.requests.askForSome(wanted, AT_MOST);
  }
}
