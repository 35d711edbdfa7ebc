import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { isOpen } from './access-guard.js';
import type { CalledRequest } from './caller.js';
import type { Tokens } from './tokens.js';

/** Milliseconds. */
const LATE_MS = 1_000;

/** A body is read after its sender's token was looked at: where it came in slowly, that may be no good any more. */
export class LateBodies implements NestInterceptor {
  constructor(
    private readonly tokens: Pick<Tokens, 'callerOf'>,
    private readonly lateMs = LATE_MS,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    if (!isOpen(context)) {
      const { cameAt, headers } = context.switchToHttp().getRequest<CalledRequest>();
      if (performance.now() - cameAt >= this.lateMs) await this.tokens.callerOf(headers.authorization);
    }
    return next.handle();
  }
}
