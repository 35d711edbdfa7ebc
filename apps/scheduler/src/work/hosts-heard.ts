import type { ActivityBoard } from '../activity/activity-board.js';
import type { Clock } from '../activity/clock.js';
import type { HostsHeard } from './overdue.js';

/**
 * Since when hosts are silent, in the time of facts. One that was never heard has been silent since this process began
 * to listen, as far as it knows.
 */
export function hostsHeard(
  board: Pick<ActivityBoard, 'seenAt'>,
  { clock, silenceLimitMs }: { clock: Clock; silenceLimitMs: number },
): HostsHeard {
  const listeningSince = clock.now();
  return {
    silentSince: (hostId) => {
      const silentForMs = clock.now() - (board.seenAt(hostId) ?? listeningSince);
      return silentForMs <= silenceLimitMs ? null : Date.now() - silentForMs;
    },
  };
}
