import type { Commands } from '@buckets/contracts';
import type { WorkOfKind } from '../due/due-work.js';

type Command = Commands['request-verify']['command'];

/** Each repository looked at now and then, whether what should be in it is there: of each host one after the other. */
export function verifications(request: (command: Command) => Promise<unknown>, intervalMs: number): WorkOfKind {
  return {
    kind: 'verification',
    afterMs: intervalMs,
    perLane: 1,
    counts: ['verify'],
    carryOut: async ({ thingId: projectId, key }) => {
      await request({ projectId, key });
      return 'requested';
    },
    failed: 'A repository could not be had verified',
  };
}
