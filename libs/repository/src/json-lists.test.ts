import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { Malformed } from './json-fields.js';
import { JsonLists } from './json-lists.js';

/** Of so few bytes that every list is cut. */
const PIECE = 10;

interface Read {
  document: Record<string, unknown>;
  lists: Record<string, unknown[]>;
}

/** Puts together again what was given out part by part. */
function read(pieces: Buffer[]): Read {
  const reader = new JsonLists(['one', 'other'], 'inner', PIECE);
  const lists: Record<string, unknown[]> = {};
  let ahead: unknown[] = [];
  for (const part of pieces.flatMap((piece) => reader.push(piece))) {
    if ('within' in part) {
      expect(part.elements.length).toBeGreaterThan(0);
      ahead.push(...part.elements);
      continue;
    }
    expect(JSON.parse(part.json.toString())).toEqual(part.elements);
    const [first, ...more] = part.elements;
    const whole = ahead.length > 0 ? { ...(first as object), inner: [...ahead, ...innerOf(first)] } : first;
    ahead = [];
    (lists[part.list] ??= []).push(whole, ...more);
  }
  const document = reader.end();
  for (const list of ['one', 'other']) {
    if (Array.isArray(document[list]) && document[list].length > 0) lists[list] = document[list];
  }
  return { document, lists };
}

function innerOf(element: unknown): unknown[] {
  return (element as { inner: unknown[] }).inner;
}

/** The same of `JSON.parse`. */
function expected(text: string): Read | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const document = parsed as Record<string, unknown>;
  const lists: Record<string, unknown[]> = {};
  for (const list of ['one', 'other']) {
    if (Array.isArray(document[list]) && document[list].length > 0) lists[list] = document[list] as unknown[];
  }
  return { document, lists };
}

function cut(text: string, at: number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const places = [0, ...at.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const text = fc.oneof(fc.string(), fc.constantFrom('"', '\\', '\\"', ',"inner":[', ']', '"one":[', 'inner', 'ö🌳'));
const anything = fc.jsonValue({ maxDepth: 3 });
const element = fc.oneof(
  fc.record(
    { inner: fc.oneof(fc.array(text), fc.array(anything), anything), more: anything, name: text },
    { requiredKeys: [] },
  ),
  anything,
);
const document = fc.record(
  { one: fc.oneof(fc.array(element), anything), other: fc.array(element), id: text, more: anything },
  { requiredKeys: [] },
);
const space = fc.constantFrom(undefined, 1, '\t');

describe('a document in pieces', () => {
  it('gives what all of it would give, wherever it was cut', () => {
    fc.assert(
      fc.property(document, space, fc.array(fc.nat()), (value, indent, places) => {
        const json = JSON.stringify(value, undefined, indent);
        const { lists } = read(cut(json, places));
        expect(lists).toEqual(expected(json)!.lists);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps what is no list of these as it is', () => {
    fc.assert(
      fc.property(document, fc.array(fc.nat()), (value, places) => {
        const json = JSON.stringify(value);
        const { document: rest } = read(cut(json, places));
        const { id, more } = JSON.parse(json) as Record<string, unknown>;
        expect([rest['id'], rest['more']]).toEqual([id, more]);
      }),
    );
  });

  it('is refused where JSON.parse refuses it, and never read as something else', () => {
    const change = fc.record({
      at: fc.nat(),
      removed: fc.nat(3),
      put: fc.constantFrom(
        '',
        '',
        ',',
        ']',
        '[',
        '{',
        '}',
        '"',
        '\\',
        ' ',
        '0',
        ',,',
        '"one":[',
        '],"one":[',
        '"inner":[1],',
      ),
    });
    type Value = typeof document extends fc.Arbitrary<infer V> ? V : never;
    type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;
    let refused = 0;
    fc.assert(
      fc.property(document, change, fc.array(fc.nat()), (value, { at, removed, put }, places) => {
        const json = JSON.stringify(value);
        const place = at % (json.length + 1);
        const changed = json.slice(0, place) + put + json.slice(place + removed);
        const wanted = expected(Buffer.from(changed).toString());
        try {
          const { lists } = read(cut(changed, places));
          expect(lists).toEqual(wanted?.lists);
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          refused += 1;
          // Besides, what stands there twice is refused, and a list that is something else.
          const isTwice = changed.split('"one"').length > 2 || changed.split('"inner"').length > 2;
          const isNoList = [wanted?.document['one'] ?? [], wanted?.document['other'] ?? []].some(
            (list) => !Array.isArray(list),
          );
          expect(wanted === undefined || isTwice || isNoList).toBe(true);
        }
      }),
      {
        numRuns: 5_000,
        examples: ([',', ',,'] as const).map((put): [Value, Change, number[]] => [
          { one: {}, other: [{ inner: ['1', ''] }] },
          { at: '{"one":{},"other":['.length, removed: 0, put },
          [],
        ]),
      },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('gives out no part that is much longer than a piece, however long the lists', () => {
    const one = Array.from({ length: 100 }, (_, n) => ({ n, inner: Array.from({ length: n }, () => 'x') }));
    const reader = new JsonLists(['one'], 'inner', PIECE);
    const bytes = Buffer.from(JSON.stringify({ one }));
    const parts = cut(
      bytes.toString(),
      Array.from({ length: bytes.length }, (_, n) => n),
    ).flatMap((piece) => reader.push(piece));
    for (const part of parts) expect(JSON.stringify(part.elements).length).toBeLessThan(4 * PIECE);
  });
});
