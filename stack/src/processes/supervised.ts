import { setTimeout as delay } from 'node:timers/promises';
import { readable, withoutTime } from '../readable-line.js';
import { NotInTime, until } from '@buckets/patience';
import { keep, type Command, type Kept } from './keep.js';

/** One process of the stack: how it is started, when it is ready, how it is asked to stop. */
export interface Part {
  readonly name: string;
  /** Prepares what the process needs and says how it is run; called before each start. */
  readonly command: () => Promise<Command>;
  /** Whether it does its work now. May throw for no. */
  readonly ready: () => Promise<boolean>;
  /** What keeps it from that, by its own word; without it, nobody says. */
  readonly failing?: () => Promise<readonly FailingCheck[]>;
  readonly stopWith: NodeJS.Signals;
  /** Milliseconds it may take to stop before it is ended; default 10,000. */
  readonly stopWithinMs?: number;
  /** It is known to take too long, so there is no word about it. */
  readonly stopsLate?: boolean;
  /** Milliseconds it may take to get ready; default 30,000. */
  readonly readyWithinMs?: number;
  /** Which lines of its output are for people to see; default all. The rest is shown when it fails to start. */
  readonly worthSeeing?: (line: string) => boolean;
  /** What is left to tidy up after its end. */
  readonly afterEnd?: () => Promise<void>;
}

/** A check of a service's health that fails. */
export interface FailingCheck {
  readonly check: string;
  /** A sentence: what is so, and what to do. */
  readonly reason: string;
  /** It stays like that until somebody does what the reason says. */
  readonly needsOperator?: boolean;
}

/** A part of the stack did not get ready. */
export class PartFailed extends Error {
  readonly code = 'part-failed';
  /** Somebody else has taken its port since that was found free. */
  readonly portWasTaken: boolean;
  constructor(
    readonly part: string,
    how: string,
    lastLines: readonly string[],
    { failing = [], cause }: { failing?: readonly FailingCheck[]; cause?: unknown } = {},
  ) {
    const why = failing.length === 0 ? [] : ['What it lacks:', ...failing.map((each) => `\n${inWords(each)}`), '\n'];
    super(
      [
        [`${part} ${how}. `, ...why, 'Its last words:'].join(''),
        ...eachOnce(lastLines).map((line) => `  ${readable(line).replaceAll('\n', '\n  ')}`),
      ].join('\n'),
      { cause },
    );
    this.name = 'PartFailed';
    this.portWasTaken = lastLines.some((line) => /address already in use|EADDRINUSE/i.test(line));
  }
}

/** For people. */
export function inWords({ check, reason }: FailingCheck): string {
  return `  ${check}: ${reason}`;
}

/** What is said over and over is told once, as it was said first. */
function eachOnce(lines: readonly string[]): string[] {
  return [...new Map(lines.toReversed().map((line) => [withoutTime(line), line])).values()].toReversed();
}

export interface Said {
  /** A line of a process's own output. */
  line: (part: string, line: string) => void;
  /** Something the supervisor has to say about a process. */
  note: (part: string, note: string) => void;
  /** A process has come or gone. */
  changed: () => void;
}

/** Of a process that says nothing of itself. */
const SILENT: FailingCheck = { check: 'ready', reason: 'It does not answer that it is ready.' };

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** A process that lived this long has earned a quick restart again. */
const LONG_LIFE_MS = 30_000;
const LAST_LINES = 20;
const OLDER_ERRORS = 5;

/** Keeps one process running: when it ends unasked, it is started again, after a pause that doubles each time. */
export class Supervised {
  readonly #part: Part;
  readonly #said: Said;
  readonly #lastLines: string[] = [];
  /** The first errors that are older than the last lines. */
  readonly #errors: string[] = [];
  #kept: Kept | undefined;
  #wasReady = false;
  /** Aborted when the process shall stay down. */
  #down = new AbortController();
  /** Resolves when the process is down for good, rejects when it never got ready; undefined before the first start. */
  #life: Promise<void> | undefined;

  constructor(part: Part, said: Said) {
    this.#part = part;
    this.#said = said;
  }

  get name(): string {
    return this.#part.name;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#kept?.pid;
  }

  /** What keeps it from doing its work now; nothing when it does. */
  async failing(): Promise<readonly FailingCheck[]> {
    if (await this.#part.ready().catch(() => false)) return [];
    const told = await this.#part.failing?.().catch(() => []);
    return told?.length ? told : [SILENT];
  }

  /**
   * Starts the process and resolves when it is ready. From then on it is kept running.
   *
   * @param mayWait it has started, too, when all that it lacks is an operator's doing, by its own word
   * @throws {PartFailed} when it ends, or is not ready in time; it is stopped then
   */
  async start({ mayWait = false }: { mayWait?: boolean } = {}): Promise<void> {
    if (this.#life !== undefined) return;
    this.#wasReady = false;
    this.#down = new AbortController();
    this.#life = this.#live(this.#down.signal);
    const waiting = new AbortController();
    try {
      await Promise.race([
        this.settled({ mayWait, signal: waiting.signal }),
        this.#life.then(() => {
          throw this.#failed('was stopped before it was ready');
        }),
      ]);
      this.#wasReady = true;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      waiting.abort();
    }
  }

  /**
   * Resolves when the process is ready, or, where it may, when it waits for an operator.
   *
   * @throws {PartFailed} when it is not in time; it goes on running
   */
  async settled({ mayWait = false, signal }: { mayWait?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    const { name, readyWithinMs: withinMs = 30_000 } = this.#part;
    let failing: readonly FailingCheck[] = [];
    const look = async () => {
      if (this.pid === undefined) return false;
      failing = await this.failing();
      return failing.length === 0 || (mayWait && failing.some(({ needsOperator }) => needsOperator));
    };
    try {
      await until(look, { what: `${name}: readiness`, withinMs, ...(signal && { signal }) });
    } catch (error) {
      if (!(error instanceof NotInTime)) throw error;
      throw this.#failed(`was not ready within ${error.withinMs / 1000} s`, { failing, cause: error });
    }
  }

  /** Asks the process to stop, ends it when it takes too long, and resolves when nothing of it is left. */
  async stop(): Promise<void> {
    const { stopWith, stopWithinMs = 10_000, stopsLate = false } = this.#part;
    await this.#end(
      stopWith,
      setTimeout(() => {
        if (!stopsLate) this.#said.note(this.name, `did not stop within ${stopWithinMs / 1000} s, so it was ended`);
        this.#kept?.destroy();
      }, stopWithinMs),
    );
  }

  /** Sends a signal that ends the process, such as SIGKILL, and leaves it down until it is started. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#end(signal);
  }

  /** Stops it in its tracks, as on a machine that hangs, until it is thawed. What it has started goes on. */
  freeze(): void {
    this.#kept?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#kept?.signal('SIGCONT');
  }

  async #end(signal: NodeJS.Signals, overdue?: NodeJS.Timeout): Promise<void> {
    this.#down.abort();
    this.#kept?.signal(signal);
    this.thaw();
    await this.#life?.catch(() => undefined); // Whoever started it has been told.
    clearTimeout(overdue);
    this.#life = undefined;
  }

  async #live(down: AbortSignal): Promise<void> {
    for (let failures = 0; ; failures++) {
      const bornAt = performance.now();
      const how = await this.#runOnce(down);
      if (down.aborted) return;
      if (!this.#wasReady) throw this.#failed(`${how} before it was ready`);
      if (performance.now() - bornAt > LONG_LIFE_MS) failures = 0;
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
      this.#said.note(this.name, `${how}; starting it again in ${pauseMs / 1000} s`);
      await delay(pauseMs, undefined, { signal: down }).catch(() => undefined);
      if (down.aborted) return;
    }
  }

  /** Runs the process from start to end and says how it ended. */
  async #runOnce(down: AbortSignal): Promise<string> {
    try {
      const command = await this.#part.command();
      if (down.aborted) return 'was stopped';
      const kept = await keep(command, (line) => this.#hear(line));
      if (down.aborted) kept.destroy();
      this.#kept = kept;
      this.#said.changed();
      const { code, signal } = await kept.ended;
      this.#kept = undefined;
      await this.#part.afterEnd?.();
      this.#said.changed();
      return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    } catch (error) {
      return `could not be started (${(error as Error).message})`;
    }
  }

  #failed(how: string, why: { failing?: readonly FailingCheck[]; cause?: unknown } = {}): PartFailed {
    return new PartFailed(this.name, how, [...this.#errors, ...this.#lastLines], why);
  }

  #hear(line: string): void {
    this.#lastLines.push(line);
    const older = this.#lastLines.length > LAST_LINES ? this.#lastLines.shift()! : '';
    // What is wrong may have been said once, long before the last words.
    if (/\b(ERROR|FATAL)\b/.test(readable(older)) && this.#errors.length < OLDER_ERRORS) this.#errors.push(older);
    if (this.#part.worthSeeing?.(line) ?? true) this.#said.line(this.name, line);
  }
}
