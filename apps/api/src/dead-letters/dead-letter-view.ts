import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { DeadLetter, KeptLetter } from '@buckets/log';
import { Whole } from '../http/described.js';

/** Bytes of a content that are shown. */
export const MAX_SHOWN_BYTES = 64 * 1024;

export class DeadLetterView {
  @ApiProperty() id!: string;
  @ApiProperty({ description: 'The stream that it was read from' }) stream!: string;
  @Whole({ description: 'Its position in that stream' }) position!: number;
  @ApiProperty({ description: 'The subject on which it was sent' }) subject!: string;
  @ApiProperty({ description: 'Why it could not be read' }) reason!: string;
  @Whole({ description: 'Bytes of its content' }) size!: number;
  @ApiProperty({ format: 'date-time', description: 'Since when it is here' }) at!: string;
  @ApiPropertyOptional({ description: 'The host that sent it, or that it was for' }) hostId?: string;
}

export class WholeDeadLetterView extends DeadLetterView {
  @ApiProperty({ description: 'The message itself. Texts that belong to people are sealed in it' }) content!: string;
  @ApiProperty({ enum: ['utf-8', 'base64'], description: 'How content stands for bytes' }) encoding!:
    'utf-8' | 'base64';
  @ApiProperty({ description: `Only the first ${MAX_SHOWN_BYTES} bytes are shown` }) cut!: boolean;
}

export class ReplayedView {
  @ApiProperty() id!: string;
  @ApiProperty({ enum: [true] }) replayed!: true;
}

export function deadLetterView({
  id,
  stream,
  position,
  subject,
  reason,
  size,
  at,
  hostId,
}: KeptLetter): DeadLetterView {
  const about = { stream, position, subject, reason, size, at };
  return { id: String(id), ...about, ...(hostId === undefined ? {} : { hostId }) };
}

export function wholeDeadLetterView(letter: KeptLetter & Pick<DeadLetter, 'bytes'>): WholeDeadLetterView {
  return { ...deadLetterView(letter), ...shown(letter.bytes) };
}

/** As text when it is UTF-8, and as base64 otherwise. */
export function shown(bytes: Uint8Array): Pick<WholeDeadLetterView, 'content' | 'encoding' | 'cut'> {
  const cut = bytes.length > MAX_SHOWN_BYTES;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { content: Buffer.from(bytes.subarray(0, MAX_SHOWN_BYTES)).toString('base64'), encoding: 'base64', cut };
  }
  // As a part of a stream, the last character may be incomplete: it is left out.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return { content: decoder.decode(bytes.subarray(0, MAX_SHOWN_BYTES), { stream: true }), encoding: 'utf-8', cut };
}
