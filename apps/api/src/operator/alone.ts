import { Lead } from '@buckets/log';
import type { DataSource } from 'typeorm';

/**
 * Does what two at once would be in each other's way with.
 *
 * @param name of the command, the same wherever it runs
 */
export async function alone(data: DataSource, name: string, work: () => Promise<void>): Promise<void> {
  const lead = await Lead.take(data, `buckets ${name}`);
  if (lead === null) throw new Error(`Another ${name} is at work already: wait for its end.`);
  try {
    await work();
  } finally {
    // Where the session is gone, so is the lead; what went wrong before that is what counts.
    await lead.giveUp().catch(() => undefined);
  }
}
