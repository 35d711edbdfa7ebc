import { withDeadline } from '../deadline.js';
import { reasonOf } from '../logs/reason-of.js';
import { maskText } from '../logs/redact.js';

/** A question to one part that the service depends on. */
export interface HealthCheck {
  /** The part, as an operator calls it: `nats`, `postgres`, `s3`. */
  readonly name: string;
  /**
   * Throws when the part cannot be used; an error with `needsOperator` when it stays like that until somebody does what it
   * says. Stops when the signal aborts.
   */
  readonly check: (signal: AbortSignal) => Promise<void>;
}

/** A look at something that people should see to, though the service does its work. */
export interface HealthWarning {
  /** What it is about: `deadLetters`. */
  readonly name: string;
  /** A sentence for people, or null when all is well. Stops when the signal aborts. */
  readonly look: (signal: AbortSignal) => Promise<string | null>;
}

export interface HealthReport {
  readonly status: 'up' | 'down';
  readonly checks: Readonly<Record<string, PartHealth>>;
  /** What to see to, by name; absent when there is nothing. */
  readonly warnings?: Readonly<Record<string, string>>;
}

type PartHealth =
  | { readonly status: 'up' }
  | {
      readonly status: 'down';
      readonly reason: string;
      /** It does not pass by itself: the reason says what to do. */
      readonly needsOperator?: true;
    };

const DEADLINE_MS = 2_000;
const CACHE_MS = 500;

/** Knows what the service depends on and whether all of it can be used at the moment. */
export class HealthChecks {
  readonly #checks = new Map<string, HealthCheck>();
  readonly #warnings = new Map<string, HealthWarning>();
  #last: { readonly report: Promise<HealthReport>; endedAt: number } | undefined;

  /** `now` gives milliseconds on a clock that never goes back. */
  constructor(private readonly now: () => number = () => performance.now()) {}

  register(check: HealthCheck): void {
    if (this.#checks.has(check.name)) throw new Error(`There are two health checks named ${check.name}`);
    this.#checks.set(check.name, check);
  }

  /** A warning is told beside the checks, and leaves the status as it is. */
  warn(warning: HealthWarning): void {
    if (this.#warnings.has(warning.name)) throw new Error(`There are two health warnings named ${warning.name}`);
    this.#warnings.set(warning.name, warning);
  }

  /** Asks every part at once, each for 2 s at most. Whoever asks within 500 ms of an answer gets the same one. */
  report(): Promise<HealthReport> {
    if (this.#last === undefined || this.now() - this.#last.endedAt > CACHE_MS) {
      const last = { report: this.ask(), endedAt: Number.POSITIVE_INFINITY };
      this.#last = last;
      void last.report.then(() => (last.endedAt = this.now()));
    }
    return this.#last.report;
  }

  private async ask(): Promise<HealthReport> {
    const [parts, looks] = await Promise.all([
      Promise.all([...this.#checks.values()].map(async (check) => [check.name, await askPart(check)] as const)),
      Promise.all([...this.#warnings.values()].map(async (warning) => [warning.name, await look(warning)] as const)),
    ]);
    const warnings = looks.filter((each): each is readonly [string, string] => each[1] !== null);
    return {
      status: parts.every(([, { status }]) => status === 'up') ? 'up' : 'down',
      checks: Object.fromEntries(parts),
      ...(warnings.length === 0 ? {} : { warnings: Object.fromEntries(warnings) }),
    };
  }
}

/** Never throws. */
async function askPart({ name, check }: HealthCheck): Promise<PartHealth> {
  try {
    await withDeadline(async (signal) => await check(signal), DEADLINE_MS, `Asking ${name}`);
    return { status: 'up' };
  } catch (error) {
    const { needsOperator } = (error ?? {}) as { needsOperator?: unknown };
    return { status: 'down', reason: maskText(reasonOf(error)), ...(needsOperator === true && { needsOperator }) };
  }
}

/** Never throws. */
async function look({ name, look }: HealthWarning): Promise<string | null> {
  try {
    return await withDeadline(async (signal) => await look(signal), DEADLINE_MS, `Looking at ${name}`);
  } catch (error) {
    return `Cannot be told: ${maskText(reasonOf(error))}`;
  }
}
