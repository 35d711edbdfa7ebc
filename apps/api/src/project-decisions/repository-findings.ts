import {
  damagedName,
  MAX_DAMAGED_BACKUPS,
  MAX_DAMAGED_OBJECTS,
  type DamagedObject,
  type DamagedObjects,
  type NewEvent,
  type OperationEndedClaim,
} from '@buckets/contracts';
import type { ProjectState } from '../state/project-state.js';

/**
 * What follows from what a host has found in the project's repository: which backups are damaged, which are whole again,
 * and what is to be mended. A host speaks for the backups of its own project only, and of those that are known.
 */
export function findingsOf(
  state: ProjectState,
  { operationId, result, backup }: OperationEndedClaim,
): NewEvent<'project'>[] {
  const found = result?.repository;
  if (found === undefined) return [];
  // The one that it has made too, which becomes known with the same claim.
  const made = backup === undefined || state.deleted?.includes(backup.backupId) ? {} : { [backup.backupId]: {} };
  const backups: Record<string, { damaged?: boolean }> = { ...made, ...state.backups };
  const known = (ids: readonly string[]): string[] => [...new Set(ids)].filter((id) => Object.hasOwn(backups, id));
  const named = { damaged: new Set(known(found.damaged)), whole: new Set(known(found.whole)) };
  const others = Object.keys(backups).filter((id) => !named.damaged.has(id) && !named.whole.has(id));
  const lost = [...named.damaged, ...(found.others === 'damaged' ? others : [])];
  const whole = [...named.whole, ...(found.others === 'whole' ? others : [])];
  const damaged = lost.filter((id) => backups[id]!.damaged !== true);
  // What contradicts itself is taken for damaged.
  const healed = whole.filter((id) => backups[id]!.damaged === true && !named.damaged.has(id));
  return [
    ...objectsNow(state, operationId, found),
    ...inPieces(damaged, (backupIds) => event('backups-damaged', { backupIds, operationId })),
    ...inPieces(healed, (backupIds) => event('backups-healed', { backupIds, operationId })),
  ];
}

function objectsNow(
  { damage }: ProjectState,
  operationId: string,
  found: DamagedObjects & { settled: boolean },
): NewEvent<'project'>[] {
  const now = found.settled || damage === undefined ? found : together(damage, found);
  if (now.total === 0) return damage === undefined ? [] : [event('repository-mended', { operationId })];
  const { total, first } = now;
  if (damage !== undefined && JSON.stringify(sorted(damage.first)) === JSON.stringify(sorted(first))) {
    if (damage.total === total) return [];
  }
  return [event('repository-damaged', { operationId, total, first })];
}

/**
 * What was known and what was found by somebody who has not looked at everything. What is counted and not named may be the
 * same in both: damage that is found again is no more damage.
 */
function together(known: DamagedObjects, found: DamagedObjects): DamagedObjects {
  const all = new Map([...known.first, ...found.first].map((object) => [damagedName(object), object]));
  const total = Math.max(all.size, known.total, found.total);
  return { total, first: [...all.values()].slice(0, MAX_DAMAGED_OBJECTS) };
}

function sorted(objects: readonly DamagedObject[]): string[] {
  return objects.map((object) => `${damagedName(object)} ${object.damage}`).sort();
}

function inPieces(ids: readonly string[], stated: (some: string[]) => NewEvent<'project'>): NewEvent<'project'>[] {
  const pieces: NewEvent<'project'>[] = [];
  for (let at = 0; at < ids.length; at += MAX_DAMAGED_BACKUPS) {
    pieces.push(stated(ids.slice(at, at + MAX_DAMAGED_BACKUPS)));
  }
  return pieces;
}

function event<Y extends NewEvent<'project'>['type']>(
  type: Y,
  data: Extract<NewEvent<'project'>, { type: Y }>['data'],
): NewEvent<'project'> {
  return { thing: 'project', type, data } as NewEvent<'project'>;
}
