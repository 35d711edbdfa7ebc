import { Type, type ClassConstructor } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { BackupRecord } from './backup.js';
import { decode, readData, UnreadableMessage } from './envelope.js';
import { OperationResult, ProjectProvisioned } from './events.js';
import { ID_PATTERN } from './ids.js';
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
  @Matches(ID_PATTERN) operationId!: string;
  @IsInt() @Min(1) generation!: number;
  @IsIn(OPERATION_KINDS) kind!: OperationKind;
  @Matches(ID_PATTERN) attemptId!: string;
  @IsIn(OUTCOMES) outcome!: Outcome;
  @IsOptional() @IsString() @Length(1, 100) code?: string;
  @IsOptional() @IsString() @MaxLength(8192) reason?: string;
  @IsOptional() @ValidateNested() @Type(() => OperationResult) result?: OperationResult;
  /** The backup that exists now, whether or not the operation is still open. */
  @IsOptional() @ValidateNested() @Type(() => BackupRecord) backup?: BackupRecord;
  /** The data are there now. */
  @IsOptional() @ValidateNested() @Type(() => ProjectProvisioned) provisioned?: ProjectProvisioned;
  @IsOptional() @IsBoolean() running?: boolean;
}

/** A host could not read an intent of its own. */
export class UnreadableIntentClaim {
  @IsInt() @Min(1) position!: number;
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

/** @throws {UnreadableMessage} */
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
  return {
    type,
    hostId: parsed.hostId,
    projectId: parsed.projectId,
    data: readData<object>(CLAIM_CLASSES[type], message.data, subject),
    messageId: message.id,
    time: message.time,
  } as ReceivedClaim;
}
