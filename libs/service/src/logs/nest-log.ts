import type { LoggerService } from '@nestjs/common';
import type { Logger } from './logger.js';

/** What the framework has to say, in the log of the service. Its reports on wiring are for debugging. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    const { fields, text } = entry(message, rest);
    if (WIRING.has(String(fields['context']))) this.logger.debug(fields, text);
    else this.logger.info(fields, text);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    const { fields, text } = entry(message, rest);
    this.logger.warn(fields, text);
  }

  error(message: unknown, ...rest: unknown[]): void {
    const { fields, text } = entry(message, rest);
    this.logger.error(fields, text);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    const { fields, text } = entry(message, rest);
    this.logger.fatal(fields, text);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    const { fields, text } = entry(message, rest);
    this.logger.debug(fields, text);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.debug(message, ...rest);
  }
}

const WIRING: ReadonlySet<string> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'NestMicroservice',
  'RouterExplorer',
  'RoutesResolver',
]);

/** The framework's last argument is the context; before it there may be a stack or further values. */
function entry(message: unknown, rest: readonly unknown[]): { fields: Record<string, unknown>; text: string } {
  const context = rest.at(-1);
  const details = rest.slice(0, -1).filter((value) => value !== undefined);
  return {
    fields: {
      ...(context === undefined ? {} : { context }),
      ...(message instanceof Error ? { error: message } : {}),
      ...(details.length > 0 ? { details } : {}),
    },
    text: message instanceof Error ? message.message : typeof message === 'string' ? message : JSON.stringify(message),
  };
}
