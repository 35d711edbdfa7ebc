import 'reflect-metadata';
import type { SettingsOf } from '@buckets/settings';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Registry } from 'prom-client';
import {
  boundAnswers,
  boundConnections,
  boundRequests,
  CONNECTION_BOUNDS,
  type ConnectionBounds,
} from './connections.js';
import { withDeadline } from './deadline.js';
import type { Logger } from './logs/logger.js';
import { NestLog } from './logs/nest-log.js';
import { JsonBodies, refuseUnreadableQueries } from './problems/bodies.js';
import { PatchBody } from './problems/patch-body.js';
import type { BodyOptions } from './problems/bodies.js';
import { answerClientErrors } from './problems/client-errors.js';
import { ProblemFilter } from './problems/problem-filter.js';
import type { Translate } from './problems/to-problem.js';
import { validationPipe } from './problems/validation-pipe.js';
import type { serviceSettings } from './service-settings.js';
import { ServiceModule } from './service.module.js';
import { Stopping } from './stopping.js';

export interface ServiceOptions {
  readonly module: Type<unknown> | DynamicModule;
  readonly settings: SettingsOf<typeof serviceSettings>;
  readonly log: Logger;
  /** JSON bodies up to 1 MiB and no raw ones, unless said otherwise. */
  readonly bodies?: Partial<BodyOptions>;
  /** `CONNECTION_BOUNDS`, unless said otherwise. */
  readonly bounds?: Partial<ConnectionBounds>;
  /** The problems that errors of the service's libraries are. */
  readonly translate?: Translate;
  /** Called before the routes are made: the place for `mountOpenApi`, static files, and microservices. */
  readonly prepare?: (app: NestExpressApplication) => void | Promise<void>;
}

export interface RunningService {
  readonly app: NestExpressApplication;
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Takes no more requests, lets those under way end within the stop deadline, closes all modules. False if it had to cut. */
  readonly stop: () => Promise<boolean>;
}

/** Starts a service within this process. `runService` is for a process that is nothing else. */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { module, settings, log, bodies, translate, prepare } = options;
  const bounds = { ...CONNECTION_BOUNDS, ...options.bounds };
  const app = await NestFactory.create<NestExpressApplication>(ServiceModule.around(module, log), {
    logger: new NestLog(log),
    bodyParser: false,
    abortOnError: false,
  });
  try {
    app.disable('x-powered-by');
    app.useGlobalPipes(validationPipe());
    app.useGlobalFilters(new ProblemFilter(log, app.get(Registry), translate));
    app.useGlobalInterceptors(new PatchBody());
    boundAnswers(app, bounds.answerTakenMs);
    app.use(refuseUnreadableQueries);
    // After the guards of the modules.
    app.useGlobalGuards(new JsonBodies({ maxBytes: 2 ** 20, isRaw: () => false, ...bodies }));
    await prepare?.(app);
    const server = app.getHttpServer() as Server;
    boundRequests(server, bounds.requestMs);
    boundConnections(server, bounds);
    answerClientErrors(server);
    const silent = connectionsWithoutRequest(server);
    await app.startAllMicroservices();
    await app.listen(settings.httpPort, settings.httpHost);
    const url = await app.getUrl();
    log.info({ url }, 'Listening');
    let stopped: Promise<boolean> | undefined;
    return { app, url, stop: () => (stopped ??= stop(app, server, silent, settings.stopDeadlineMs, log)) };
  } catch (error) {
    await app.close().catch((closing: unknown) => log.warn({ error: closing }, 'What had started could not be closed'));
    throw error;
  }
}

/** Connections that were opened ahead and have not asked for anything: a server that closes waits for them too. */
function connectionsWithoutRequest(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  server.on('connection', (socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', ({ socket }) => silent.delete(socket));
  return silent;
}

async function stop(
  app: NestExpressApplication,
  server: Server,
  silent: ReadonlySet<Socket>,
  deadlineMs: number,
  log: Logger,
): Promise<boolean> {
  const endsAt = performance.now() + deadlineMs;
  const drained = await inTime('Answering the requests under way', async () => {
    app.get(Stopping).begin();
    for (const socket of silent) socket.destroy();
    await closeServer(server);
  });
  server.closeAllConnections();
  const closed = await inTime('Closing the modules', () => app.close());
  return drained && closed;

  async function inTime(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      // However late it is, what holds data gets a moment to close.
      await withDeadline(work, Math.max(1_000, endsAt - performance.now()), what);
      return true;
    } catch (error) {
      log.error({ error }, 'The stop was not orderly');
      return false;
    }
  }
}

async function closeServer(server: Server): Promise<void> {
  // A kept-alive connection whose last answer goes out after `close` would otherwise stay for its whole idle time.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  server.once('close', () => clearInterval(sweep));
  await new Promise<void>((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
  });
}
