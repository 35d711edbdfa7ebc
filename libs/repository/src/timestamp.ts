import { Malformed, asText } from './json-fields.js';

/**
 * Nanoseconds since 1970 of a time as Go and rustic write it, such as `2024-05-06T07:08:09.123456789+02:00`, with `Z`
 * for UTC, years past 9999 or before 0 with a sign and six digits, and (older rustic) a time zone's name in brackets.
 */
export function asTimestamp(value: unknown, name: string): bigint {
  const text = asText(value, name);
  const match = TIMESTAMP.exec(text);
  if (!match) throw new Malformed(`"${name}" is not a time`);
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour, offsetMinute, offsetSecond = 0] =
    match;
  // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  const days = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const offset = sign
    ? Number(`${sign}1`) * (Number(offsetHour) * 3600 + Number(offsetMinute) * 60 + Number(offsetSecond))
    : 0;
  const seconds = days / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - offset;
  if (!Number.isSafeInteger(seconds)) throw new Malformed(`"${name}" is not a time`);
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

const TIMESTAMP =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d)(?::(\d\d))?)(?:\[[^\]]*\])?$/;
