/** Storages refuse what was signed with a clock that is off by 15 minutes or more, some by less. */
export const REFUSED_SKEW_MS = 5 * 60_000;

/**
 * How far this machine's clock is ahead of the one that gave an answer, in milliseconds; negative: behind. Exact to half a
 * second and half the time that the answer took. Undefined where the answer does not say when it was given.
 *
 * @param sentAt, receivedAt by this machine's clock, in milliseconds since 1970
 */
export function clockSkewOf(
  date: string | null | undefined,
  { sentAt, receivedAt }: { sentAt: number; receivedAt: number },
): number | undefined {
  const answeredAt = Date.parse(date ?? '');
  // The header leaves out the fraction of the second.
  return Number.isNaN(answeredAt) ? undefined : Math.round((sentAt + receivedAt) / 2 - (answeredAt + 500));
}

const PROBE_MS = 5_000;

/** Asks a storage for anything, unsigned, and looks at the date of the answer; undefined where there is none. */
export async function measureClockSkew(
  endpoint: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number | undefined> {
  const deadline = AbortSignal.timeout(PROBE_MS);
  const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const sentAt = Date.now();
  try {
    const { headers } = await fetch(endpoint, { method: 'HEAD', redirect: 'manual', signal: either });
    return clockSkewOf(headers.get('date'), { sentAt, receivedAt: Date.now() });
  } catch {
    return undefined;
  }
}

/** Such as `20 minutes ahead`: the largest unit of which there are two at least. */
export function skewInWords(skewMs: number): string {
  const size = Math.abs(skewMs);
  const [unit, ms] = UNITS.find(([, each]) => size >= 2 * each) ?? (['second', 1_000] as const);
  const count = Math.round(size / ms);
  return `${count} ${unit}${count === 1 ? '' : 's'} ${skewMs < 0 ? 'behind' : 'ahead'}`;
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;
