import { readSettings } from '@buckets/settings';
import type { Environment, Settings, SettingsOf } from '@buckets/settings';
import type { DynamicModule, Type } from '@nestjs/common';
import type { DestinationStream } from 'pino';
import { createLogger } from './logs/logger.js';
import type { Logger } from './logs/logger.js';
import { type serviceSettings } from './service-settings.js';
import { startService } from './start-service.js';
import type { RunningService, ServiceOptions } from './start-service.js';

export interface RunOptions<S extends Settings & typeof serviceSettings> extends Pick<
  ServiceOptions,
  'bodies' | 'translate' | 'prepare'
> {
  /** What the service is called in its log. */
  readonly name: string;
  /** `serviceSettings` and the service's own. */
  readonly settings: S;
  readonly module: (settings: SettingsOf<S>, log: Logger) => Type<unknown> | DynamicModule;
}

/** What a service sees of its process; the real one unless a test says otherwise. */
export interface ServiceProcess {
  readonly env: Environment;
  readonly on: (event: string, listener: (argument: unknown) => void) => unknown;
  readonly exit: (code: number) => void;
  readonly log?: DestinationStream;
}

/**
 * Runs a process that is one service: reads its settings, starts it, and stops it in an orderly way on SIGTERM or
 * SIGINT (a second one ends it at once). Exit code 0 after an orderly stop, 1 after anything else: wrong settings,
 * a failed start, an error that nobody caught, a stop that took too long.
 */
export async function runService<S extends Settings & typeof serviceSettings>(
  { name, settings: definition, module, ...options }: RunOptions<S>,
  host: ServiceProcess = process,
): Promise<RunningService | undefined> {
  let log = createLogger(name, { destination: host.log });
  const fatal = (message: string) => (error: unknown) => {
    log.fatal({ error }, message);
    host.exit(1);
  };
  host.on('uncaughtException', fatal('An error was caught nowhere'));
  host.on('unhandledRejection', fatal('A promise failed and nobody noticed'));

  let stopping = false;
  let service: Promise<RunningService> | undefined;
  const stop = (signal: string) => async () => {
    if (stopping || service === undefined) {
      log.warn({ signal }, 'Stopped at once');
      host.exit(1);
      return;
    }
    stopping = true;
    log.info({ signal }, 'Stopping');
    const orderly = await service.then((running) => running.stop()).catch(() => false);
    log.info(orderly ? 'Stopped' : 'Stopped, not in order');
    host.exit(orderly ? 0 : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) host.on(signal, () => void stop(signal)());

  try {
    const settings = readSettings(definition, host.env);
    const common: SettingsOf<typeof serviceSettings> = settings;
    log = createLogger(name, { level: common.logLevel, destination: host.log });
    service = startService({ ...options, settings: common, log, module: module(settings, log) });
    return await service;
  } catch (error) {
    fatal('The service could not start')(error);
    return undefined;
  }
}
