import { IsBoolean, IsIn, IsNumber, Max, Min } from 'class-validator';
import type { ClassConstructor } from 'class-transformer';
import { decode, readData, UnreadableMessage } from './envelope.js';
import { OperationLimits } from './limits.js';
import { BackupId, Count, Generation, Id, Moment, Nested, Optional } from './shape.js';
import { parseSubject } from './subjects.js';
import { CONSISTENCY_MODES, INTENT_KINDS, type ConsistencyMode, type IntentKind } from './vocabulary.js';

/** What every intent says: "do this for the project of the subject, as this operation". */
export class Intent {
  @Id() operationId!: string;
  @Generation() generation!: number;
  @Moment() requestedAt!: string;
}

/** Work, as apart from a cancel. Without limits of its own it has the default ones. */
export class WorkIntent extends Intent {
  @Optional() @Nested(OperationLimits) limits?: OperationLimits;
}

/** Makes the project's roots. */
export class ProvisionIntent extends WorkIntent {
  /** Take what already stands in the project's folders as its data. */
  @Optional() @IsBoolean() adopt?: boolean;
}

export class BackupIntent extends WorkIntent {
  /** What the caller insists on; without it the best that the project's state allows. */
  @Optional() @IsIn(CONSISTENCY_MODES) consistency?: ConsistencyMode;
}

export class RestoreIntent extends WorkIntent {
  @BackupId() backupId!: string;
}

export class StartIntent extends WorkIntent {
  /** What to restore where data are missing; without it the newest good backup. */
  @Optional() @BackupId() backupId?: string;
  /** Start with empty folders where the data are lost and no backup can be restored. */
  @Optional() @IsBoolean() allowEmpty?: boolean;
}

export class StopIntent extends WorkIntent {}

/** Deletes one backup. */
export class ForgetIntent extends WorkIntent {
  @BackupId() backupId!: string;
}

/** Looks for snapshots that no backup stands for. */
export class TidyIntent extends WorkIntent {
  /** Also removes those that are older than the grace period. */
  @IsBoolean() remove!: boolean;
  @Count() graceSeconds!: number;
}

/** Looks whether the repository holds what its backups need. */
export class VerifyIntent extends WorkIntent {
  /** How much of the content is read and proven, from 0 to 1. With 0, names and sizes of what should be there are compared. */
  @IsNumber() @Min(0) @Max(1) readData!: number;
}

/** Ends what an operation is doing on the host; the operation may have ended already, as far as the control plane goes. */
export class CancelIntent extends Intent {}

export interface Intents {
  provision: ProvisionIntent;
  backup: BackupIntent;
  restore: RestoreIntent;
  start: StartIntent;
  stop: StopIntent;
  forget: ForgetIntent;
  tidy: TidyIntent;
  verify: VerifyIntent;
  cancel: CancelIntent;
}

export const INTENT_CLASSES: { [K in IntentKind]: ClassConstructor<Intents[K]> } = {
  provision: ProvisionIntent,
  backup: BackupIntent,
  restore: RestoreIntent,
  start: StartIntent,
  stop: StopIntent,
  forget: ForgetIntent,
  tidy: TidyIntent,
  verify: VerifyIntent,
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
