import type { LoggedEvent } from './events.js';

/** The backups that an event of a project names as what it is about: as many as one message can name. */
export function backupsNamed(event: LoggedEvent<'project'>): readonly string[] {
  switch (event.type) {
    case 'backup-recorded':
    case 'backup-accepted':
    case 'backup-found':
    case 'backup-deleted':
      return [event.data.backupId];
    case 'backups-damaged':
    case 'backups-healed':
      return event.data.backupIds;
    case 'forget-requested':
      return [String(event.data.params['backupId'])];
    default:
      return [];
  }
}

/**
 * Cuts a batch of events behind each one that says something of almost all backups of a project: it changes rows that nobody
 * has named, so nothing goes beside it. The first part is there even when it is empty.
 */
export function upToSweeps<Event extends LoggedEvent>(events: readonly Event[]): Event[][] {
  const parts: Event[][] = [[]];
  for (const event of events) {
    parts.at(-1)!.push(event);
    if ('othersBut' in event.data && event.data.othersBut !== undefined) parts.push([]);
  }
  return parts.filter((part, index) => index === 0 || part.length > 0);
}
