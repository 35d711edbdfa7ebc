import { IsString, Length } from 'class-validator';
import { ChangeReport, HostReport } from './counter.js';
import { decode, encode, envelope, readData, UnreadableMessage } from './envelope.js';
import { Count, Optional } from './shape.js';
import { NO_PROJECT, parseSubject, subjects } from './subjects.js';
import type { ActivityName } from './vocabulary.js';

/** What a worker knows of one project's changes, and which of its processes says so. */
export class ProjectReport extends ChangeReport {
  /** As in the host's own report: what an earlier process said tells nothing of what happened after its end. */
  @IsString() @Length(1, 64) incarnation!: string;
  /** Of the reports that the process has made, on whatever project: from 1, rising. */
  @Optional() @Count(1) number?: number;
}

/** What hosts tell over and over. Never a fact, and never stored for long: the latest one counts. */
export type NewActivity =
  | { name: 'host'; hostId: string; data: HostReport }
  | { name: 'project'; hostId: string; projectId: string; data: ProjectReport };

export type ReceivedActivity = NewActivity & { messageId: string; time: string };

/** A clock that is off by so much is worth a warning: storages refuse work from some minutes on. */
export const WARNED_SKEW_MS = 30_000;

/**
 * How far a host's clock is ahead of the control plane's, in milliseconds; negative: behind. A report says when it was
 * made by the one, and the stream that keeps it when it came by the other. What it took on its way counts as well.
 */
export function clockSkewOfHost({ at }: HostReport, keptAt: Date): number {
  return at - keptAt.getTime();
}

export function activityTypeName(name: ActivityName): string {
  return `buckets.activity.${name}.v1`;
}

/** The message to publish. `source` names the service, as `buckets/<service>`. */
export function writeActivity(activity: NewActivity, source: string): { subject: string; bytes: Uint8Array } {
  const { hostId, data } = activity;
  const projectId = activity.name === 'project' ? activity.projectId : NO_PROJECT;
  const fields = { source, type: activityTypeName(activity.name), subject: `host/${hostId}/project/${projectId}` };
  return { subject: subjects.activity(hostId, projectId), bytes: encode(envelope(fields, data)) };
}

/** @throws {UnreadableMessage} */
export function readActivity(subject: string, bytes: Uint8Array): ReceivedActivity {
  const parsed = parseSubject(subject);
  if (parsed?.family !== 'activity') throw new UnreadableMessage('its subject is not that of an activity', subject);
  const message = decode(subject, bytes);
  const { name, hostId, projectId } = parsed;
  if (message.type !== activityTypeName(name)) {
    throw new UnreadableMessage(`the activity ${message.type} is not known here`, subject);
  }
  if (message.subject !== `host/${hostId}/project/${projectId}`) {
    throw new UnreadableMessage('its envelope is about something else than its subject', subject);
  }
  const about = { hostId, messageId: message.id, time: message.time };
  return name === 'host'
    ? { ...about, name, data: readData(HostReport, message.data, subject) }
    : { ...about, name, projectId, data: readData(ProjectReport, message.data, subject) };
}
