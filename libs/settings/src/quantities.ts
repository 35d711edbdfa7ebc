/** A length of time as people write it: `250ms`, `90s`, `15m`, `12h`, `7d`. */
export type DurationText = `${number}${keyof typeof MILLISECONDS}`;

/** A number of bytes as people write it: `512B`, `64KiB`, `64MiB`, `2GiB`, `1TiB`. */
export type BytesText = `${number}${keyof typeof BYTES}`;

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** Milliseconds, or undefined when the text is not a length of time with a unit. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, MILLISECONDS);
}

/** Bytes, or undefined when the text is not a size with a binary unit. */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text, BYTES);
}

/** The number in the largest unit that divides it: 900000 is `15m`. */
export function formatDuration(milliseconds: number): string {
  return formatQuantity(milliseconds, MILLISECONDS);
}

/** The number in the largest unit that divides it: 67108864 is `64MiB`. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, BYTES);
}

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text);
  const factor = match?.[2] !== undefined && Object.hasOwn(units, match[2]) ? units[match[2]] : undefined;
  if (factor === undefined) return undefined;
  const quantity = Number(match?.[1]) * factor;
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

function formatQuantity(quantity: number, units: Record<string, number>): string {
  const [unit, factor] = Object.entries(units).findLast(
    ([, factor]) => quantity % factor === 0 && quantity >= factor,
  ) ??
    Object.entries(units)[0] ?? ['', 1];
  return `${quantity / factor}${unit}`;
}
