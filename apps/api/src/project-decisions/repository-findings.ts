import {
  damagedName,
  MAX_DAMAGED_BACKUPS,
  MAX_DAMAGED_OBJECTS,
  type DamagedObject,
  type DamagedObjects,
  type NewEvent,
  type OperationEndedClaim,
  type RepositoryFindings,
} from '@buckets/contracts';
import type { BackupLook, Project } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';

/** What {@link findingsOf} goes by. */
export function lookForFindings(found: RepositoryFindings | undefined): BackupLook {
  if (found === undefined) return {};
  return {
    ids: [...found.damaged, ...found.whole],
    ...(found.others === 'damaged' ? { whole: MAX_DAMAGED_BACKUPS } : {}),
    ...(found.others === 'whole' ? { damaged: MAX_DAMAGED_BACKUPS } : {}),
  };
}

/**
 * What follows from what a host has found in the project's repository: which backups are damaged, which are whole again,
 * and what is to be mended. A host speaks for the backups of its own project only, and of those that are known.
 */
export function findingsOf(
  state: Project,
  { operationId, result, backup }: OperationEndedClaim,
): NewEvent<'project'>[] {
  const found = result?.repository;
  if (found === undefined) return [];
  // The one that it has made too, which becomes known with the same claim.
  const isNew =
    backup !== undefined && !state.backups.has(backup.backupId) && !state.deleted?.includes(backup.backupId);
  const made = isNew ? [backup.backupId] : [];
  const isDamaged = (id: string): boolean => state.backups.get(id)?.damagedPosition !== undefined;
  const known = (ids: readonly string[]): string[] => ids.filter((id) => made.includes(id) || state.backups.has(id));
  const named = { damaged: new Set(known(found.damaged)), whole: new Set(known(found.whole)) };
  const others = (which: 'damaged' | 'whole') => {
    const some = state.backups.some(which).map(({ id }) => id);
    const ids = [...(which === 'whole' ? made : []), ...some].filter(
      (id) => !named.damaged.has(id) && !named.whole.has(id),
    );
    return { ids, areAll: some.length < MAX_DAMAGED_BACKUPS };
  };
  const NONE = { ids: [], areAll: true };
  const [lost, healed] = [
    found.others === 'damaged' ? others('whole') : NONE,
    found.others === 'whole' ? others('damaged') : NONE,
  ];
  return [
    ...objectsNow(state, operationId, found),
    ...saying('backups-damaged', operationId, {
      ...{ named: [...named.damaged].filter((id) => !isDamaged(id)), others: lost, but: [...named.whole] },
    }),
    ...saying('backups-healed', operationId, {
      // What contradicts itself is taken for damaged.
      ...{ named: [...named.whole].filter((id) => isDamaged(id) && !named.damaged.has(id)) },
      ...{ others: healed, but: [...named.damaged] },
    }),
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

/** Names them where they are not too many, and says whom it does not mean where they are. */
function saying(
  type: 'backups-damaged' | 'backups-healed',
  operationId: string,
  said: { named: string[]; others: { ids: string[]; areAll: boolean }; but: string[] },
): NewEvent<'project'>[] {
  const { named, others, but } = said;
  if (!others.areAll && others.ids.length > 0) {
    return [event(type, { backupIds: named, operationId, othersBut: but })];
  }
  const all = [...named, ...others.ids];
  const pieces: NewEvent<'project'>[] = [];
  for (let at = 0; at < all.length; at += MAX_DAMAGED_BACKUPS) {
    pieces.push(event(type, { backupIds: all.slice(at, at + MAX_DAMAGED_BACKUPS), operationId }));
  }
  return pieces;
}

function event<Y extends NewEvent<'project'>['type']>(
  type: Y,
  data: Extract<NewEvent<'project'>, { type: Y }>['data'],
): NewEvent<'project'> {
  return { thing: 'project', type, data } as NewEvent<'project'>;
}
