import { alone } from '@buckets/log';
import type { DataSource } from 'typeorm';

/**
 * Does what a command of the operator does, once at a time.
 *
 * @param name of the command, the same wherever it runs
 */
export function commandAlone(data: DataSource, name: string, work: () => Promise<void>): Promise<void> {
  const taken = () => new Error(`Another ${name} is at work already: wait for its end.`);
  return alone(data, name, { taken }, work);
}
