import { setTimeout as delay } from 'node:timers/promises';

/** Makes another attempt, a few times: on a busy machine a server, or this very process, may not answer in time. */
export async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 5) throw error;
      await delay(tries * 250);
    }
  }
}
