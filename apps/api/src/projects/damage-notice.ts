import { countText } from '@buckets/contracts';
import { withDeadline, type HealthChecks } from '@buckets/service';
import { Gauge, type Registry } from 'prom-client';
import type { DataSource } from 'typeorm';

const COUNT_WITHIN_MS = 1_000;

interface Damaged {
  /** Projects whose repository is damaged, as far as is known. */
  repositories: number;
  /** Projects of which a backup is damaged. */
  backups: number;
}

/** Has damage noticed: by a metric, and by a warning beside the health of the service. */
export function noticeDamage(data: Pick<DataSource, 'query'>, health: HealthChecks, registry: Registry): void {
  const count = () => withDeadline(damagedProjects(data), COUNT_WITHIN_MS, 'Counting what is damaged');
  health.warn({
    name: 'damage',
    look: async () => {
      const { repositories, backups } = await count();
      const what = [
        ...(repositories === 0
          ? []
          : [`The repositories of ${countText(repositories, 'project')} are damaged: back them up.`]),
        ...(backups === 0 ? [] : [`Of ${countText(backups, 'project')} some backups are damaged.`]),
      ];
      return what.length === 0 ? null : `${what.join(' ')} The projects show damage, their backups damaged.`;
    },
  });
  const gauge: Gauge<'what'> = new Gauge({
    name: 'buckets_damaged_projects',
    help: 'Projects whose repository is damaged, and projects with damaged backups; NaN when Postgres is away',
    labelNames: ['what'],
    registers: [registry],
    collect: async () => {
      const { repositories, backups } = await count().catch(() => ({ repositories: Number.NaN, backups: Number.NaN }));
      gauge.set({ what: 'repository' }, repositories);
      gauge.set({ what: 'backups' }, backups);
    },
  });
}

/** By an index of those that are damaged: it costs nothing where none is. */
async function damagedProjects(data: Pick<DataSource, 'query'>): Promise<Damaged> {
  const [row] = await data.query<[Record<keyof Damaged, string>]>(
    `SELECT count(damage) AS repositories, count(*) FILTER (WHERE damaged_backups > 0) AS backups
     FROM api.project WHERE damage IS NOT NULL OR damaged_backups > 0`,
  );
  return { repositories: Number(row.repositories), backups: Number(row.backups) };
}
