import type { ProjectorLogger } from './projector.js';

const BETWEEN_WORDS_MS = 10_000;
const REMEMBERED_MS = 10 * 60_000;

/**
 * What is told over and over and cannot be read or heard is left out: the next one replaces it. It is counted, and told every
 * ten seconds at most, however fast somebody sends such messages.
 */
export class LeftOut {
  private told = Number.NEGATIVE_INFINITY;
  private untold = 0;
  private last: { at: number; from: string } | undefined;

  /** @param what of the messages, in the plural, as the beginning of a sentence */
  constructor(
    private readonly what: string,
    private readonly log: Pick<ProjectorLogger, 'warn'>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param from its subject */
  note(from: string, error: unknown): void {
    const now = this.now();
    this.untold++;
    this.last = { at: now, from: from.slice(0, 200) };
    if (now - this.told < BETWEEN_WORDS_MS) return;
    this.log.warn({ error, messages: this.untold }, `${this.what} cannot be read; they are left out`);
    this.told = now;
    this.untold = 0;
  }

  /** What people should see to; null when there has been nothing for ten minutes. */
  warning(): string | null {
    if (this.last === undefined || this.now() - this.last.at > REMEMBERED_MS) return null;
    return `${this.what} cannot be read, the last one on ${this.last.from}: look at who sends there. They are left out.`;
  }
}
