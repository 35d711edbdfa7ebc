import type { DataSource } from 'typeorm';

/**
 * Does what two at once would be in each other's way with.
 *
 * @param name of the command, the same wherever it runs
 */
export async function alone(data: DataSource, name: string, work: () => Promise<void>): Promise<void> {
  const session = data.createQueryRunner();
  try {
    const [row] = (await session.query('SELECT pg_try_advisory_lock(hashtext($1)) AS mine', [`buckets ${name}`])) as [
      { mine: boolean },
    ];
    if (!row.mine) throw new Error(`Another ${name} is at work already: wait for its end.`);
    await work();
  } finally {
    // The lock goes with the session, when this process ends at the latest.
    await session.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    await session.release();
  }
}
