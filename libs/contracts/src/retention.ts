import { IsInt, Max, Min } from 'class-validator';
import { Optional } from './shape.js';

export const MOST_KEPT = 10_000;

const Kept = (): PropertyDecorator => (target, property) =>
  [Optional(), IsInt(), Min(1), Max(MOST_KEPT)].forEach((decorate) => decorate(target, property));

/**
 * Which backups of a project are kept: the newest so many, and the newest of each of the newest so many days, weeks and
 * months that have one. Without any number, all are kept.
 */
export class Retention {
  @Kept() last?: number;
  @Kept() daily?: number;
  @Kept() weekly?: number;
  @Kept() monthly?: number;
}

/** A retention as tables hold it: null where all backups are kept. */
export function storedRetention(retention: Retention = {}): Retention | null {
  return Object.values(retention).some((count) => count !== undefined) ? retention : null;
}
