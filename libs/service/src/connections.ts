import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';

export interface ConnectionBounds {
  /** How many are open at once. */
  readonly connections: number;
  /** Milliseconds within which a request has to come, with its body. */
  readonly requestMs: number;
  /** Milliseconds within which a whole answer has to be taken once it is there. */
  readonly answerTakenMs: number;
  /** Milliseconds in which something has to go either way while a request is under way. */
  readonly silentMs: number;
}

export const CONNECTION_BOUNDS: ConnectionBounds = {
  ...{ connections: 2_000, requestMs: 60_000, answerTakenMs: 60_000 },
  // Longer than a wait for the end of an operation.
  silentMs: 90_000,
};
const HEADERS_MS = 15_000;
/** Node looks every half minute, unless told so. */
const LOOK_EVERY_MS = 5_000;

/** Headers are limited to 16 KiB by Node; these limit how long and how many. */
export function boundRequests(server: Server, withinMs: number): void {
  server.headersTimeout = Math.min(HEADERS_MS, withinMs);
  server.requestTimeout = withinMs;
  Object.assign(server, { connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, withinMs) });
  // Longer than the minute of the usual load balancers, so that it is they who close an idle connection.
  server.keepAliveTimeout = 65_000;
  server.maxHeadersCount = 100;
}

const admitted = new WeakSet<object>();

/**
 * Keeps the connection of a request until its answer is over. For whoever knows the caller, and bounds how many of theirs are
 * under way: what is admitted without a bound keeps all others out.
 */
export function keepConnectionOf(request: object): void {
  admitted.add(request);
}

/**
 * Holds the connections of a server to a number. One that comes then takes the place of the one that has been at the same
 * the longest, but for those whose request was admitted: so that whoever opens many, says nothing or says it slowly, or asks
 * for what is open to anybody and does not take it, keeps nobody out.
 */
export function boundConnections(server: Server, { connections, silentMs }: ConnectionBounds): void {
  // Sees those, too, who take a part of an answer and no more of it.
  server.timeout = silentMs;
  /** With what each is at work on; the one that has changed last comes last. */
  const open = new Map<Socket, IncomingMessage | null>();
  const isNow = (socket: Socket, request: IncomingMessage | null): void => {
    open.delete(socket);
    open.set(socket, request);
  };
  server.on('connection', (socket: Socket) => {
    if (open.size >= connections) {
      const [given] = [...open].find(([, request]) => request === null || !admitted.has(request)) ?? [socket];
      given.destroy();
      open.delete(given);
      if (given === socket) return;
    }
    isNow(socket, null);
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    if (!open.has(socket)) return;
    isNow(socket, request);
    response.once('close', () => {
      if (open.get(socket) === request) isNow(socket, null);
    });
  });
}

/** Cuts the connection of whoever does not take an answer: it is kept in memory until then. */
export function boundAnswers(app: NestExpressApplication, takenMs: number): void {
  app.use((_: Request, response: Response, next: NextFunction) => {
    // All of it is handed over.
    response.once('prefinish', () => {
      // Whoever has gone takes nothing more.
      if (response.closed) return;
      const cut = setTimeout(() => response.destroy(), takenMs);
      response.once('close', () => clearTimeout(cut));
    });
    next();
  });
}
