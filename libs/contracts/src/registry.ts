import type { ClassConstructor } from 'class-transformer';
import { decode, readData, UnreadableMessage, type Envelope } from './envelope.js';
import * as events from './events.js';
import type { Events, EventThing, EventType, LoggedEvent } from './events.js';
import { parseSubject } from './subjects.js';
import { OPERATION_KINDS, OUTCOMES } from './vocabulary.js';

type Classes = { [T in EventThing]: { [Y in EventType<T>]: ClassConstructor<Events[T][Y] & object> } };

function operationClasses(): Record<string, ClassConstructor<object>> {
  return Object.fromEntries(
    OPERATION_KINDS.flatMap((kind) => [
      [`${kind}-requested`, events.OperationRequested],
      [`${kind}-began`, events.OperationBegan],
      [`${kind}-cancel-requested`, events.CancelRequested],
      ...OUTCOMES.map((outcome) => [`${kind}-${outcome}`, events.OperationEnded]),
    ]),
  ) as Record<string, ClassConstructor<object>>;
}

/** The class of every event's data: the one list that a new event is added to, beside its type in `Events`. */
export const EVENT_CLASSES: Classes = {
  region: { created: events.RegionCreated },
  bucket: { created: events.BucketCreated },
  host: { created: events.HostCreated, updated: events.HostUpdated },
  'api-key': {
    created: events.ApiKeyCreated,
    'created-for-owner': events.ApiKeyCreatedForOwner,
    revoked: events.ApiKeyRevoked,
  },
  project: {
    ...(operationClasses() as unknown as Classes['project']),
    created: events.ProjectCreated,
    recovered: events.ProjectRecovered,
    assigned: events.ProjectAssigned,
    updated: events.ProjectUpdated,
    'member-set': events.MemberSet,
    'member-removed': events.MemberRemoved,
    provisioned: events.ProjectProvisioned,
    changed: events.ProjectChanged,
    'freshness-changed': events.FreshnessChanged,
    'repository-initialised': events.RepositoryInitialised,
    'backup-recorded': events.BackupRecorded,
    'backup-deleted': events.BackupDeleted,
    'backup-accepted': events.BackupAccepted,
    'backup-found': events.BackupFound,
    'repository-damaged': events.RepositoryDamaged,
    'repository-mended': events.RepositoryMended,
    'backups-damaged': events.BackupsDamaged,
    'backups-healed': events.BackupsHealed,
    'claim-rejected': events.ClaimRejected,
    'runtime-changed': events.RuntimeChanged,
  },
};

export function eventClass(thing: string, type: string): ClassConstructor<object> | undefined {
  const byType = Object.hasOwn(EVENT_CLASSES, thing)
    ? (EVENT_CLASSES[thing as EventThing] as Record<string, ClassConstructor<object>>)
    : undefined;
  return byType !== undefined && Object.hasOwn(byType, type) ? byType[type] : undefined;
}

export function eventTypeName(thing: string, type: string): string {
  return `buckets.${thing}.${type}.v1`;
}

/**
 * Reads one message of the log that is an event.
 *
 * @throws {UnreadableMessage} when it is no event that this version knows: a projection stops there, visibly
 */
export function readEvent(subject: string, bytes: Uint8Array, position: number): LoggedEvent {
  const parsed = parseSubject(subject);
  if (parsed?.family !== 'event') throw new UnreadableMessage('its subject is not that of an event', subject);
  const message: Envelope = decode(subject, bytes);
  const { thing, id, type } = parsed;
  const known = eventClass(thing, type);
  if (known === undefined || message.type !== eventTypeName(thing, type)) {
    throw new UnreadableMessage(`the event type ${message.type} is not known here`, subject);
  }
  if (message.subject !== `${thing}/${id}`) {
    throw new UnreadableMessage('its envelope is about something else than its subject', subject);
  }
  const data = readData(known, message.data, subject);
  return { thing, type, id, data, position, messageId: message.id, time: message.time } as LoggedEvent;
}
