import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { InvalidRequest } from './problem.js';

/** A change without a word of what to change is a mistake. Other requests without a body ask for nothing special. */
export class PatchBody implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, body } = context.switchToHttp().getRequest<Request>();
    if (context.getType() === 'http' && method === 'PATCH' && body === undefined) {
      throw new InvalidRequest([{ pointer: '', in: 'body', detail: 'a body with what to change is missing' }]);
    }
    return next.handle();
  }
}
