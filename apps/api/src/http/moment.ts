import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional } from 'class-validator';
import { Moment, momentAt } from '@buckets/contracts';

const RFC_3339 =
  /^(\d{4})-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * The moment that a text of RFC 3339 names, in whichever of its forms, as `2031-02-03T04:05:06.789Z`; undefined for any other
 * text. A leap second is the end of the second before it.
 */
export function momentIn(text: string): string | undefined {
  const [, year, month, day, hour, minute, second, fraction = '', zone] = RFC_3339.exec(text.toUpperCase()) ?? [];
  const lastDay = new Date(0);
  // The last day of a month is the one before the first of the next; years before 100 mean themselves here.
  lastDay.setUTCFullYear(Number(year), Number(month), 0);
  if (zone === undefined || Number(day) < 1 || Number(day) > lastDay.getUTCDate() || Number(month) < 1)
    return undefined;
  const seconds = second === '60' ? '59.999' : `${second}${fraction.slice(0, 4)}`;
  return momentAt(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${seconds}${zone}`));
}

/** A moment that a caller may send, described and checked. */
export const WantedMoment = ({ description }: { description: string }) =>
  applyDecorators(
    ApiPropertyOptional({ format: 'date-time', description }),
    IsOptional(),
    // What is no moment is no text either that could be taken for one.
    Transform(({ value }) => (typeof value === 'string' ? (momentIn(value) ?? '') : (value as unknown))),
    Moment(),
  );
