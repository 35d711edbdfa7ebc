import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { idFromKey } from '@buckets/contracts';
import { toProblem } from '@buckets/service';
import { catchError, from, mergeMap, type Observable } from 'rxjs';
import type { DataSource } from 'typeorm';
import type { CalledRequest } from '../access/caller.js';
import { repeatable, sameRequest } from './idempotency.js';

const KEPT = "interval '7 days'";
const REMOVED_AT_ONCE = 50;

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
    // What changes nothing may come again as it is.
    if (/^(GET|HEAD)$/.test(request.method) || request.headers['idempotency-key'] === undefined) return next.handle();
    if (request.caller === undefined) return next.handle();
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
    // Each new key makes room for itself, and more; one that comes again after its week is new.
    const added = await this.data.query<object[]>(
      `WITH old AS (
         DELETE FROM api.request_key WHERE id IN (
           SELECT id FROM api.request_key WHERE at < now() - ${KEPT} AND id <> $1
            ORDER BY at LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED))
       INSERT INTO api.request_key AS known (id, hash, at) VALUES ($1, $2, now())
       ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, at = excluded.at WHERE known.at < now() - ${KEPT}
       RETURNING id`,
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
