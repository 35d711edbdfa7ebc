import type { Commands } from '@buckets/contracts';
import { Refused } from '@buckets/log';
import type { WorkOfKind } from '../due/due-work.js';
import { noLongerKept } from './no-longer-kept.js';
import type { RetentionTables } from './retention-tables.js';

type Command = Commands['request-forget']['command'];

/** Deletions on one host at once: nobody waits for them. */
const PER_HOST = 10;
/** Of a project's backups that only a person may delete so many are passed over. */
const TRIES = 5;

/** The backups deleted that their project's retention keeps no longer: of each project one after the other. */
export function deletions(
  request: (command: Command) => Promise<unknown>,
  tables: Pick<RetentionTables, 'retained'>,
): WorkOfKind {
  return {
    kind: 'retention',
    afterMs: 0,
    perLane: PER_HOST,
    counts: ['forget'],
    carryOut: async ({ thingId: projectId, key }) => {
      const project = await tables.retained(projectId);
      if (project === null) return 'nothing-to-do';
      const { position: asOf, backups, retention } = project;
      const gone = noLongerKept(backups, retention);
      let refusal: Refused | undefined;
      for (const backupId of gone.slice(0, TRIES)) {
        try {
          await request({ projectId, backupId, key: `${key}/${backupId}`, asOf });
          return 'requested';
        } catch (error) {
          if (!(error instanceof Refused) || error.code !== 'last-good-backup') throw error;
          refusal = error;
        }
      }
      if (refusal !== undefined) throw refusal;
      return 'nothing-to-do';
    },
    failed: 'A backup that is no longer kept could not be deleted',
  };
}
