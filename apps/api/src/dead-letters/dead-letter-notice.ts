import { countText } from '@buckets/contracts';
import type { DeadLetters } from '@buckets/log';
import { withDeadline, type HealthChecks } from '@buckets/service';
import { Gauge, type Registry } from 'prom-client';

const COUNT_WITHIN_MS = 1_000;

/** Has dead letters noticed: by a metric, and by a warning beside the health of the service. */
export function noticeDeadLetters(letters: Pick<DeadLetters, 'count'>, health: HealthChecks, registry: Registry): void {
  const count = () => withDeadline(letters.count(), COUNT_WITHIN_MS, 'Counting dead letters');
  health.warn({
    name: 'deadLetters',
    look: async () => {
      const letters = await count();
      if (letters === 0) return null;
      return `${countText(letters, 'message')} could not be read: look at GET /v1/dead-letters, then replay or discard.`;
    },
  });
  const gauge: Gauge = new Gauge({
    name: 'buckets_dead_letters',
    help: 'Messages that could not be read and wait for somebody to replay or discard them; NaN when NATS is away',
    registers: [registry],
    collect: async () => gauge.set(await count().catch(() => Number.NaN)),
  });
}
