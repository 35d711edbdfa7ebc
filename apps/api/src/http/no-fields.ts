import type { PipeTransform } from '@nestjs/common';
import { InvalidRequest } from '@buckets/service';

/** The body of a request that takes none: absent, or an empty object. */
export class NoFields implements PipeTransform<unknown, void> {
  transform(body: unknown): void {
    const fields = typeof body === 'object' && body !== null ? Object.keys(body) : [];
    if (fields.length === 0) return;
    throw new InvalidRequest(
      fields
        .slice(0, 10)
        .map((field) => ({ pointer: `/${field}`, in: 'body', detail: `there is no field "${field}" here: remove it` })),
    );
  }
}
