import { IsBoolean, IsIn } from 'class-validator';
import type { ClassConstructor } from 'class-transformer';
import { decode, readData, UnreadableMessage } from './envelope.js';
import { BackupId, Generation, Id, Moment, Optional } from './shape.js';
import { parseSubject } from './subjects.js';
import { CONSISTENCY_MODES, INTENT_KINDS, type ConsistencyMode, type IntentKind } from './vocabulary.js';

/** What every intent says: "do this for the project of the subject, as this operation". */
export class Intent {
  @Id() operationId!: string;
  @Generation() generation!: number;
  @Moment() requestedAt!: string;
}

/** Makes the project's roots. */
export class ProvisionIntent extends Intent {
  /** Take what already stands in the project's folders as its data. */
  @Optional() @IsBoolean() adopt?: boolean;
}

export class BackupIntent extends Intent {
  /** What the caller insists on; without it the best that the project's state allows. */
  @Optional() @IsIn(CONSISTENCY_MODES) consistency?: ConsistencyMode;
}

export class RestoreIntent extends Intent {
  @BackupId() backupId!: string;
}

export class StartIntent extends Intent {
  /** Start with empty folders where the data are lost and no backup can be restored. */
  @Optional() @IsBoolean() allowEmpty?: boolean;
}

export class StopIntent extends Intent {}

/** Deletes one backup. */
export class ForgetIntent extends Intent {
  @BackupId() backupId!: string;
}

export class CancelIntent extends Intent {}

export interface Intents {
  provision: ProvisionIntent;
  backup: BackupIntent;
  restore: RestoreIntent;
  start: StartIntent;
  stop: StopIntent;
  forget: ForgetIntent;
  cancel: CancelIntent;
}

export const INTENT_CLASSES: { [K in IntentKind]: ClassConstructor<Intents[K]> } = {
  provision: ProvisionIntent,
  backup: BackupIntent,
  restore: RestoreIntent,
  start: StartIntent,
  stop: StopIntent,
  forget: ForgetIntent,
  cancel: CancelIntent,
};

export type NewIntent = {
  [K in IntentKind]: { kind: K; hostId: string; projectId: string; data: Intents[K] };
}[IntentKind];

export type ReceivedIntent = NewIntent & { messageId: string; time: string };

export function intentTypeName(kind: IntentKind): string {
  return `buckets.intent.${kind}.v1`;
}

/** @throws {UnreadableMessage} */
export function readIntent(subject: string, bytes: Uint8Array): ReceivedIntent {
  const parsed = parseSubject(subject);
  if (parsed?.family !== 'intent') throw new UnreadableMessage('its subject is not that of an intent', subject);
  const kind = INTENT_KINDS.find((known) => known === parsed.kind);
  const message = decode(subject, bytes);
  if (kind === undefined || message.type !== intentTypeName(kind)) {
    throw new UnreadableMessage(`the intent ${message.type} is not known here`, subject);
  }
  if (message.subject !== `host/${parsed.hostId}/project/${parsed.projectId}`) {
    throw new UnreadableMessage('its envelope is about something else than its subject', subject);
  }
  return {
    kind,
    hostId: parsed.hostId,
    projectId: parsed.projectId,
    data: readData(INTENT_CLASSES[kind], message.data, subject),
    messageId: message.id,
    time: message.time,
  } as ReceivedIntent;
}
