import type { Commands } from '@buckets/contracts';
import type { WorkOfKind } from '../due/due-work.js';

type Command = Commands['request-backup']['command'];

/** A backup of each project that has been without protection for its interval. */
export function backups(request: (command: Command) => Promise<unknown>, perHost: number): WorkOfKind {
  return {
    kind: 'backup',
    afterMs: 0,
    perLane: perHost,
    counts: ['backup'],
    carryOut: async ({ thingId: projectId, key }) => {
      await request({ projectId, key });
      return 'requested';
    },
    failed: 'A backup that is due could not be asked for',
  };
}
