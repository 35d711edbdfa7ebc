/** Milliseconds since 1970 when the process began, and from then on evenly, however the machine's clock is set. */
export interface Clock {
  now(): number;
}

export const steadyClock: Clock = { now: () => performance.timeOrigin + performance.now() };
