import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { idFromKey } from '@buckets/contracts';
import { toProblem } from '@buckets/service';
import { catchError, from, mergeMap, type Observable } from 'rxjs';
import type { DataSource } from 'typeorm';
import type { CalledRequest } from '../access/caller.js';
import { repeatable, sameRequest } from './idempotency.js';

/**
 * Remembers for a week which request an Idempotency-Key was used for, whatever it made and wherever: the same key with
 * another request is refused before anything is decided. That a repetition does nothing twice does not hang on this;
 * ids that derive from the key see to it.
 */
@Injectable()
export class RequestKeys implements NestInterceptor {
  constructor(private readonly data: DataSource) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<CalledRequest>();
    if (request.headers['idempotency-key'] === undefined || request.caller === undefined) return next.handle();
    const { key, requestHash, requestedBy } = repeatable(request);
    if (key === undefined || requestHash === undefined) return next.handle();
    const id = idFromKey('request', requestedBy, key);
    const isNew = await this.remember(id, requestHash);
    request.repeats = !isNew;
    const forget = (error: unknown) =>
      from(isNew && isCallersMistake(error) ? this.forget(id) : Promise.resolve()).pipe(
        mergeMap(() => {
          throw error;
        }),
      );
    return next.handle().pipe(catchError(forget));
  }

  /** Whether the key is new. @throws {Rejection} `idempotency-key-reused` */
  private async remember(id: string, hash: string): Promise<boolean> {
    // Each new key makes room for itself.
    const added = await this.data.query<object[]>(
      `WITH old AS (
         DELETE FROM api.request_key WHERE id IN (
           SELECT id FROM api.request_key WHERE at < now() - interval '7 days' ORDER BY at LIMIT 2 FOR UPDATE SKIP LOCKED))
       INSERT INTO api.request_key (id, hash, at) VALUES ($1, $2, now()) ON CONFLICT (id) DO NOTHING RETURNING id`,
      [id, hash],
    );
    if (added.length > 0) return true;
    const [known] = await this.data.query<{ hash: string }[]>('SELECT hash FROM api.request_key WHERE id = $1', [id]);
    if (known !== undefined) sameRequest(known.hash, hash);
    return false;
  }

  private async forget(id: string): Promise<void> {
    await this.data.query('DELETE FROM api.request_key WHERE id = $1', [id]);
  }
}

/** What was refused as it was asked may be asked again, put right, under the same key. */
function isCallersMistake(error: unknown): boolean {
  const status = toProblem(error)?.status ?? 500;
  return status >= 400 && status < 500;
}
