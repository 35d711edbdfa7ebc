/**
 * How many times longer than on an idle machine of ours a thing may take here: what `BUCKETS_PATIENCE` says (1 to 100),
 * else 1. `npm test` sets it to what it has measured.
 *
 * @throws {RangeError} when the variable is set to anything else
 */
export function patience(environment: NodeJS.ProcessEnv = process.env): number {
  const { BUCKETS_PATIENCE: said } = environment;
  if (said === undefined || said === '') return 1;
  const times = Number(said);
  if (times >= 1 && times <= 100) return times;
  throw new RangeError(`BUCKETS_PATIENCE is "${said}": it takes a number from 1 to 100.`);
}

/** So many milliseconds of an idle machine of ours, here: whole ones, as timers of programs take no others. */
export function patient(milliseconds: number): number {
  return Math.ceil(milliseconds * patience());
}
