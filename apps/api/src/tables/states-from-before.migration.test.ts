import { expect, it, jest } from '@jest/globals';
import type { NewEvent } from '@buckets/contracts';
import {
  backedUp,
  beganEvent,
  created,
  doubted,
  event,
  logged,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot,
} from '../state/testing/given.js';
import { BackupPlaces1764900000000 } from './backup-places.migration.js';
import { BoundedStates1764650000000 } from './bounded-states.migration.js';
import { ChoicesByTheLog1764200000000 } from './choices-by-the-log.migration.js';
import { migrate, of, project, trialTables } from './testing/trial-tables.js';

jest.setTimeout(60_000);

const data = trialTables();

/** Ids of operations are of one project only. */
function ofAnother<Event extends NewEvent<'project'>>(each: Event): Event {
  const { operationId } = each.data as { operationId?: string };
  return { ...each, data: { ...each.data, ...(operationId && { operationId: `${operationId}-other` }) } };
}

const STATES = [new ChoicesByTheLog1764200000000(), new BoundedStates1764650000000(), new BackupPlaces1764900000000()];

it('tables from before get from the journal what a rebuild would give them', async () => {
  const begun = [1, 2].map((attempt) => beganEvent('op-2', 'backup', `at-${attempt}`, attempt));
  const succeeded = event('backup-succeeded', { operationId: 'op-2' });
  const twice = [requestedEvent('op-2', 'backup'), ...begun, recordedEvent(2, 'op-2'), succeeded];
  const damaged = (...digits: number[]) =>
    event('backups-damaged', { backupIds: digits.map(snapshot), operationId: 'op-v' });
  const healed = event('backups-healed', { backupIds: [snapshot(1)], operationId: 'op-v' });
  const story = [...READY, ...backedUp(1), ...twice, damaged(1, 2), healed, damaged(1), ...backedUp(3), ...doubted(3)];
  const restoring = requestedEvent('op-r', 'restore', { backupId: snapshot(2) });
  const small = backedUp(4, { partialBecause: ['shrunken'] });
  const fresh = event('freshness-changed', { freshness: 'fresh', reason: 'r', coveredBy: snapshot(2) });
  const deleted = event('backup-deleted', { backupId: snapshot(5), operationId: 'op-f' });
  const open = [requestedEvent('op-6', 'backup'), beganEvent('op-6', 'backup', 'at-6'), recordedEvent(6, 'op-6')];
  await project(data(), logged([...story, restoring, ...small, fresh, ...backedUp(5), deleted, ...open.slice(0, 2)]));
  await project(data(), of('p4', logged([...READY, ...open].map(ofAnother), 300)));
  await project(data(), of('p2', logged([event('created', created)], 99)));
  const look = () =>
    Promise.all([
      data().query('SELECT id, state FROM api.thing_state ORDER BY id'),
      data().query(`SELECT to_jsonb(backup) - 'record' FROM api.backup ORDER BY project_id, id`),
      data().query('SELECT id, backups, damaged_backups, cover_lost FROM api.project ORDER BY id'),
    ]);
  const now = await look();

  await migrate(data(), 'down', STATES.toReversed());
  await data().query(
    `UPDATE api.thing_state SET state = jsonb_set(state, '{backups}', (SELECT coalesce(jsonb_object_agg(key,
       value - 'beganPosition' - 'recordedPosition' || '{"beganAt": "2031-01-01T00:00:00Z", "generation": 2}'), '{}')
       FROM jsonb_each(state -> 'backups')))`,
  );
  await migrate(data(), 'up', STATES);
  expect(await look()).toEqual(now);
});
