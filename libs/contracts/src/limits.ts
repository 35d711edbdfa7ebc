import { IsInt, Max, Min } from 'class-validator';
import type { OperationKind } from './vocabulary.js';

/** What no operation needs, in seconds: thirty days. */
export const LONGEST_LIMIT_SECONDS = 30 * 24 * 60 * 60;

const Seconds = (): PropertyDecorator => (target, property) =>
  [IsInt(), Min(1), Max(LONGEST_LIMIT_SECONDS)].forEach((decorate) => decorate(target, property));

/**
 * How long an operation may take, in seconds. The scheduler sees to `queue` and `whole`, as it outlives any host; the
 * worker to `stall` and `attempt`, as it holds the process.
 */
export class OperationLimits {
  /** From the request until its first attempt begins. */
  @Seconds() queueSeconds!: number;
  /** Without any sign of work during an attempt. */
  @Seconds() stallSeconds!: number;
  /** One attempt. */
  @Seconds() attemptSeconds!: number;
  /** From the request to the end, whatever lies in between. */
  @Seconds() wholeSeconds!: number;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const SOMEBODY_WAITS: OperationLimits = {
  queueSeconds: HOUR,
  stallSeconds: 10 * MINUTE,
  attemptSeconds: 12 * HOUR,
  wholeSeconds: 24 * HOUR,
};
const NOBODY_WAITS: OperationLimits = { ...SOMEBODY_WAITS, queueSeconds: 24 * HOUR, wholeSeconds: 48 * HOUR };

/** Where neither the installation nor the caller says otherwise. */
export const DEFAULT_LIMITS: Readonly<Record<OperationKind, OperationLimits>> = {
  provision: NOBODY_WAITS,
  backup: NOBODY_WAITS,
  restore: SOMEBODY_WAITS,
  start: SOMEBODY_WAITS,
  stop: SOMEBODY_WAITS,
  forget: NOBODY_WAITS,
  tidy: NOBODY_WAITS,
  verify: NOBODY_WAITS,
};

/** Why the control plane ended an operation that its host did not end. */
export const EXPIRY_CODES = ['queue-limit', 'whole-limit', 'cancel-unanswered'] as const;
export type ExpiryCode = (typeof EXPIRY_CODES)[number];
