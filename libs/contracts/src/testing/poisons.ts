import { MAX_MESSAGE_BYTES } from '../bounded-json.js';

const DEEP = 30_000;
const nested = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);
const NUL = '\\u0000';

/** What may stand in the place of the data of a message, as JSON or not: each has brought a reader down, or might. */
const DATA: Record<string, string> = {
  'deep lists beside a NUL character': `{"x":"${NUL}","y":${nested('[', ']', DEEP)}}`,
  'deep objects beside half of a surrogate pair': `{"x":"\\ud800","y":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
  'deep lists that end nowhere': `{"y":${'['.repeat(DEEP)}`,
  'one level too deep': `{"y":${nested('[', ']', 40)}}`,
  'an object of many fields': `{${Array.from({ length: 15_000 }, (_, i) => `"f${i}":1`).join()}}`,
  'a list of many values': `{"y":[${'0,'.repeat(60_000)}0]}`,
  'a NUL character': `{"x":"${NUL}"}`,
  'half of a surrogate pair in a name': `{"\\udfff":1}`,
  'another prototype': '{"__proto__":{"toString":1},"constructor":{"prototype":1}}',
  'names of methods': '{"toString":1,"hasOwnProperty":1,"then":1,"length":-1}',
  'numbers without an end': `{"n":1e999,"m":-${'9'.repeat(400)},"k":1e-999}`,
  nothing: 'null',
  'a list': '[[],[[]]]',
  'a text': '"text"',
  'no object in any field': '{"data":{"data":[]},"counter":[],"first":{},"n":"1"}',
};

/** Bytes that are no message in themselves. */
const RAW: Record<string, Buffer> = {
  'no bytes': Buffer.alloc(0),
  'bytes of chance': Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 7919) % 256)),
  zeros: Buffer.alloc(1_000),
  'deep lists alone': Buffer.from(nested('[', ']', DEEP)),
  'brackets that only close': Buffer.from(']'.repeat(DEEP)),
  'a text that does not end': Buffer.from(`"${'\\'.repeat(50_001)}`),
  'JSON that is cut': Buffer.from('{"specversion":"1.0","id":"'),
  'JSON with a byte order mark': Buffer.from('\uFEFF{}'),
};

/**
 * Messages that a reader must survive, by what they are.
 *
 * @param good a message that its reader takes, as JSON with `data`
 * @param maxBytes that the stream takes of it
 */
export function poisonsFor(good: object, maxBytes = MAX_MESSAGE_BYTES): [what: string, bytes: Buffer][] {
  const text = JSON.stringify({ ...good, data: '@' });
  const inside = Object.entries(DATA).map(([what, json]): [string, Buffer] => [
    `data: ${what}`,
    Buffer.from(text.replace('"@"', () => json)),
  ]);
  const invalid = Buffer.from(text.replace('"@"', '{"x":"@"}'));
  invalid[invalid.lastIndexOf('@')] = 0xff;
  return [
    ...inside,
    ['data: a text that is no UTF-8', invalid],
    ...Object.entries(RAW),
    ['as large as its stream takes', Buffer.from(text.replace('"@"', () => `"${'x'.repeat(maxBytes - text.length)}"`))],
  ];
}

/** The same for a request, whose whole body is data. */
export function poisonRequests(): [what: string, bytes: Buffer][] {
  const inside = Object.entries(DATA).map(([what, json]): [string, Buffer] => [what, Buffer.from(json)]);
  return [...inside, ...Object.entries(RAW)];
}
