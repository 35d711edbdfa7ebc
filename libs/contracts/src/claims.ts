import type { ClassConstructor } from 'class-transformer';
import { IsBoolean, IsIn, IsString, Length, MaxLength } from 'class-validator';
import { BackupRecord } from './backup.js';
import { knownPart } from './check-data.js';
import { decode, readData, UnreadableMessage } from './envelope.js';
import { OperationResult, ProjectProvisioned } from './events.js';
import { Count, Generation, Id, List, Nested, Optional } from './shape.js';
import { parseSubject } from './subjects.js';
import {
  CLAIM_TYPES,
  OPERATION_KINDS,
  OUTCOMES,
  type ClaimType,
  type OperationKind,
  type Outcome,
} from './vocabulary.js';

/** A host says that an operation has ended there. Not a fact before it was decided. */
export class OperationEndedClaim {
  @Id() operationId!: string;
  @Generation() generation!: number;
  @IsIn(OPERATION_KINDS) kind!: OperationKind;
  @Id() attemptId!: string;
  @IsIn(OUTCOMES) outcome!: Outcome;
  @Optional() @IsString() @Length(1, 100) code?: string;
  @Optional() @IsString() @MaxLength(8192) reason?: string;
  @Optional() @Nested(OperationResult) result?: OperationResult;
  /** The backup that exists now, whether or not the operation is still open. */
  @Optional() @Nested(BackupRecord) backup?: BackupRecord;
  /** The data are there now. */
  @Optional() @Nested(ProjectProvisioned) provisioned?: ProjectProvisioned;
  @Optional() @IsBoolean() running?: boolean;
  @Optional() @List(10) @IsString({ each: true }) @MaxLength(500, { each: true }) left?: string[];
}

/** A host could not read an intent of its own. */
export class UnreadableIntentClaim {
  @Count(1) position!: number;
  @IsString() @Length(1, 500) intentSubject!: string;
  @IsString() @MaxLength(2000) reason!: string;
}

export interface Claims {
  'operation-ended': OperationEndedClaim;
  'unreadable-intent': UnreadableIntentClaim;
}

export const CLAIM_CLASSES: { [K in ClaimType]: ClassConstructor<Claims[K]> } = {
  'operation-ended': OperationEndedClaim,
  'unreadable-intent': UnreadableIntentClaim,
};

export type NewClaim = { [K in ClaimType]: { type: K; hostId: string; projectId: string; data: Claims[K] } }[ClaimType];
export type ReceivedClaim = NewClaim & { messageId: string; time: string };

export function claimTypeName(type: ClaimType): string {
  return `buckets.claim.${type}.v1`;
}

/** What a host says and this version does not know is left out: it never gets into a fact. @throws {UnreadableMessage} */
export function readClaim(subject: string, bytes: Uint8Array): ReceivedClaim {
  const parsed = parseSubject(subject);
  if (parsed?.family !== 'claim') throw new UnreadableMessage('its subject is not that of a claim', subject);
  const type = CLAIM_TYPES.find((known) => known === parsed.type);
  const message = decode(subject, bytes);
  if (type === undefined || message.type !== claimTypeName(type)) {
    throw new UnreadableMessage(`the claim ${message.type} is not known here`, subject);
  }
  if (message.subject !== `host/${parsed.hostId}/project/${parsed.projectId}`) {
    throw new UnreadableMessage('its envelope is about something else than its subject', subject);
  }
  const shape: ClassConstructor<object> = CLAIM_CLASSES[type];
  return {
    type,
    hostId: parsed.hostId,
    projectId: parsed.projectId,
    data: knownPart(shape, readData(shape, message.data, subject)),
    messageId: message.id,
    time: message.time,
  } as ReceivedClaim;
}
