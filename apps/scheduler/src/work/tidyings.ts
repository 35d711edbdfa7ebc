import type { Commands } from '@buckets/contracts';
import type { WorkOfKind } from '../due/due-work.js';

type Command = Commands['request-tidy']['command'];

/** Tidyings of either sort on one host at once: nobody waits for them. */
const PER_HOST = 5;

/**
 * Each repository tidied in which an operation may have left snapshots that are no backups (`orphans`), or of which nobody
 * knows whether a backup is still in it (`doubts`).
 */
export function tidyings(request: (command: Command) => Promise<unknown>, graceMs: number): WorkOfKind[] {
  const common: Omit<WorkOfKind, 'kind' | 'afterMs'> = {
    perLane: PER_HOST,
    counts: ['tidy'],
    carryOut: async ({ thingId: projectId, key }) => {
      await request({ projectId, key, graceSeconds: Math.ceil(graceMs / 1000) });
      return 'requested';
    },
    failed: 'A repository that may hold orphans could not be tidied',
    // Where no repository was made yet, nothing can lie about. Once there is one, something may, with the same key.
    expected: 'no-repository',
  };
  return [
    { ...common, kind: 'orphans', afterMs: graceMs },
    { ...common, kind: 'doubts', afterMs: 0 },
  ];
}
