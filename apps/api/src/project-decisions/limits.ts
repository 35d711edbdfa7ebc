import { Type } from 'class-transformer';
import { IsInstance, IsOptional, ValidateNested } from 'class-validator';
import { ApiPropertyOptional } from '@nestjs/swagger';
import {
  DEFAULT_LIMITS,
  LONGEST_LIMIT_SECONDS,
  OPERATION_KINDS,
  type OperationKind,
  type OperationLimits,
} from '@buckets/contracts';
import { WantedWhole, Whole } from '../http/described.js';

/** How long operations of each kind may take, where their caller does not say. */
export type Limits = Readonly<Record<OperationKind, OperationLimits>>;

/** Of the setting: the part of `backup.stall` behind the dot. */
const FIELDS = {
  queue: 'queueSeconds',
  stall: 'stallSeconds',
  attempt: 'attemptSeconds',
  whole: 'wholeSeconds',
} as const satisfies Record<string, keyof OperationLimits>;
const NAMES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];

/** What the setting may name: `backup.stall`, `*.queue`, … */
export const LIMIT_NAMES = ['*', ...OPERATION_KINDS].flatMap((kind) => NAMES.map((name) => `${kind}.${name}`));

/** The installation's limits: what it says of one kind, else of all, else the defaults. Takes milliseconds by name. */
export function limitsFrom(setting: Readonly<Record<string, number>> = {}): Limits {
  const of = (kind: OperationKind) =>
    NAMES.map((name) => {
      const ms = setting[`${kind}.${name}`] ?? setting[`*.${name}`];
      return [FIELDS[name], ms === undefined ? DEFAULT_LIMITS[kind][FIELDS[name]] : Math.ceil(ms / 1_000)] as const;
    });
  return Object.fromEntries(OPERATION_KINDS.map((kind) => [kind, Object.fromEntries(of(kind))])) as unknown as Limits;
}

/** The installation's limits for a kind, but for those that the caller names. */
export function limitsFor(limits: Limits, kind: OperationKind, wanted: Partial<OperationLimits> = {}): OperationLimits {
  const named = Object.entries(wanted).filter(([, seconds]) => seconds !== undefined);
  return { ...limits[kind], ...Object.fromEntries(named) };
}

const Seconds = (description: string) => WantedWhole({ minimum: 1, maximum: LONGEST_LIMIT_SECONDS, description });

export class LimitsWanted {
  @Seconds('From the request until its first attempt begins') queueSeconds?: number;
  @Seconds('Without any sign of work during an attempt') stallSeconds?: number;
  @Seconds('One attempt') attemptSeconds?: number;
  @Seconds('From the request to the end') wholeSeconds?: number;
}

/** The body of a request that begins an operation. */
export abstract class WithLimits {
  @ApiPropertyOptional({
    type: LimitsWanted,
    description: 'How long it may take; what is left out is as the installation has it',
  })
  @IsOptional()
  @ValidateNested()
  @IsInstance(LimitsWanted)
  @Type(() => LimitsWanted)
  limits?: LimitsWanted;
}

export class LimitsView {
  @Whole() queueSeconds!: number;
  @Whole() stallSeconds!: number;
  @Whole() attemptSeconds!: number;
  @Whole() wholeSeconds!: number;
}
