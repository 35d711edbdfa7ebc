import { Catch, NotFoundException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { randomUUID } from 'node:crypto';
import { Counter, type Registry } from 'prom-client';
import { throwError } from 'rxjs';
import type { Logger } from '../logs/logger.js';
import { BoundedLabels } from '../metrics/bounded-labels.js';
import { allowedMethods } from './allowed-methods.js';
import { Problem, problemDetails } from './problem.js';
import { toProblem } from './to-problem.js';
import type { Translate } from './to-problem.js';

/** The one place that turns an error into an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly refused: Counter<'code'>;
  /** Some codes come from hosts. */
  private readonly codes = new BoundedLabels();

  constructor(
    private readonly log: Logger,
    registry: Registry,
    private readonly translate?: Translate,
  ) {
    this.refused = new Counter({
      name: 'buckets_http_refused_total',
      help: 'Requests that were answered with a problem, by its code',
      labelNames: ['code'],
      registers: [registry],
    });
  }

  catch(error: unknown, host: ArgumentsHost): unknown {
    // Handlers of messages have nobody to answer: who called them decides what a failure means.
    if (host.getType() !== 'http') return throwError(() => error);
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const problem =
      routeProblem(error, request) ?? toProblem(error, this.translate) ?? this.internalError(error, request);
    this.refused.inc({ code: this.codes.of(problem.code) });
    // The pattern, and no address: that has ids, and a query what people wrote.
    const route = { method: request.method, route: routeOf(request) };
    if (problem.status === 503) this.log.warn({ error, code: problem.code, ...route }, 'Answered 503');
    if (response.headersSent) {
      // Half an answer must not look like a whole one.
      response.destroy();
      return undefined;
    }
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (problem.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(problem.retryAfterSeconds));
    if (problem instanceof MethodNotAllowed) response.setHeader('Allow', problem.allowed.join(', '));
    response.removeHeader('Content-Disposition');
    response.status(problem.status).type('application/problem+json').setHeader('Cache-Control', 'no-store');
    response.send(JSON.stringify(problemDetails(problem, request.originalUrl.replace(/[?#].*/s, ''))));
    return undefined;
  }

  private internalError(error: unknown, { method, path }: Request): Problem {
    const errorId = randomUUID();
    this.log.error({ errorId, error, method, path }, 'A request failed in a way that nobody foresaw');
    return new Problem({
      code: 'internal-error',
      status: 500,
      detail: `Something failed here that should not. The log of this service tells more about error ${errorId}.`,
      extra: { errorId },
    });
  }
}

/** `/v1/projects/:id`; absent where none has taken the request. */
function routeOf({ route }: Request): string | undefined {
  const path = (route as { path?: unknown } | undefined)?.path;
  return typeof path === 'string' ? path : undefined;
}

class MethodNotAllowed extends Problem {
  constructor(
    method: string,
    readonly allowed: readonly string[],
  ) {
    super({
      code: 'method-not-allowed',
      status: 405,
      detail: `This address does not take ${method}, but ${allowed.join(', ')}.`,
    });
  }
}

/** The framework says "Cannot GET /path" when no route takes a request. */
function routeProblem(error: unknown, { method, path, app }: Request): Problem | undefined {
  if (!(error instanceof NotFoundException) || !error.message.startsWith(`Cannot ${method} `)) return undefined;
  const allowed = allowedMethods(app, path);
  if (allowed.length > 0) return new MethodNotAllowed(method, allowed);
  return new Problem({
    code: 'no-such-route',
    status: 404,
    detail: 'There is nothing at this address. /openapi.json of the API lists what there is.',
  });
}
