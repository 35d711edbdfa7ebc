import type { CallHandler, ExecutionContext, NestInterceptor, RawBodyRequest } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { InvalidRequest } from './problem.js';

/** A change without a word of what to change is a mistake. Other requests without a body ask for nothing special. */
export class PatchBody implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, rawBody = '' } = context.switchToHttp().getRequest<RawBodyRequest<Request>>();
    if (context.getType() === 'http' && method === 'PATCH' && rawBody.length === 0) {
      throw new InvalidRequest([{ pointer: '', in: 'body', detail: 'a body with what to change is missing' }]);
    }
    return next.handle();
  }
}
