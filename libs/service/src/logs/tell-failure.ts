import type { Logger } from './logger.js';
import { reasonOf } from './reason-of.js';
import { maskText } from './redact.js';

/** What is no sentence for people, but a mistake of ours: where it came from helps then. */
const OURS = [TypeError, ReferenceError, RangeError, SyntaxError];

/** Why a command of an operator has failed, as a person reads it: a line `error: …`. Secrets are left out. */
export function failureInWords(error: unknown): string {
  const isOurs = OURS.some((type) => error instanceof type);
  return maskText(`error: ${isOurs ? (error as Error).stack : reasonOf(error)}`);
}

/** Tells it on the terminal, if there is one, and else as a line of the log. */
export function tellFailure(
  error: unknown,
  log: Logger,
  terminal: { isTTY?: boolean; write: (text: string) => unknown } = process.stderr,
): void {
  if (terminal.isTTY) terminal.write(`${failureInWords(error)}\n`);
  else log.fatal({ reason: failureInWords(error).replace(/^error: /, '') }, 'It could not be done');
}
