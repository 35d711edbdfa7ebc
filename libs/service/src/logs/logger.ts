import { pino } from 'pino';
import type { DestinationStream, Level, Logger as PinoLogger } from 'pino';
import { readableLine } from './readable.js';
import { maskText, redact } from './redact.js';

/** Says what happens, as one JSON object a line. Takes fields first and then a sentence, or just the sentence. */
export interface Logger {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  readonly fatal: Say;
  /** A logger that adds these fields to each line. */
  readonly child: (fields: object) => Logger;
}

interface Say {
  (fields: object, message: string): void;
  (message: string): void;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const satisfies readonly Level[];

/**
 * The log of one process, written to the standard output before the call returns: JSON, or readable lines on a
 * terminal. Secrets are left out by the names of their fields and by what they look like (`redact.ts`);
 * an error belongs into the field `error`.
 */
export function createLogger(
  name: string,
  { level = 'info', destination = standardOutput() }: { level?: Level; destination?: DestinationStream } = {},
): Logger {
  return asLogger(
    pino(
      {
        level,
        base: { service: name, pid: process.pid },
        messageKey: 'message',
        errorKey: 'error',
        serializers: { error: (error: unknown) => error },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: {
          level: (label) => ({ level: label }),
          log: (fields) => redact(fields) as Record<string, unknown>,
        },
        hooks: {
          logMethod(args, method) {
            method.apply(this, args.map((arg) => (typeof arg === 'string' ? maskText(arg) : arg)) as typeof args);
          },
        },
      },
      destination,
    ),
  );
}

function asLogger(log: PinoLogger): Logger {
  const say = (level: Level): Say => log[level].bind(log) as Say;
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    fatal: say('fatal'),
    child: (fields) => asLogger(log.child(redact(fields) as object)),
  };
}

function standardOutput(): DestinationStream {
  if (!process.stdout.isTTY) return pino.destination({ fd: 1, sync: true });
  return { write: (line) => void process.stdout.write(readableLine(line)) };
}
