import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { faultInJson, MESSAGE_BOUNDS, readJson, UnreadableJson } from './bounded-json.js';
import { poisonRequests } from './testing/poisons.js';

const bytesOf = (text: string) => Buffer.from(text);

describe('JSON from elsewhere', () => {
  it('is read as it stands there, within its bounds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\\u(0000|d[89a-f])/i.test(text));
        expect(readJson(bytesOf(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('is bounded at each bound, and no sooner', () => {
    const bounds = { bytes: 60, depth: 3, values: 6, fields: 2 };
    const fault = (text: string) => faultInJson(bytesOf(text), bounds);
    expect([fault('[[[1]]]'), fault('[[[[1]]]]')]).toEqual([null, expect.stringContaining('3 levels')]);
    expect([fault('[1,2,3,4,5,6]'), fault('[1,2,3,4,5,6,7]')]).toEqual([null, expect.stringContaining('6 values')]);
    expect([fault('{"a":1,"b":2}'), fault('{"a":1,"b":2,"c":3}')]).toEqual([null, expect.stringContaining('2 fields')]);
    expect([fault('[{"a":1},{"a":1}]'), fault('{"a":[1,2,3]}')]).toEqual([null, null]);
    expect([fault(`"${'x'.repeat(58)}"`), fault(`"${'x'.repeat(59)}"`)]).toEqual([
      null,
      expect.stringContaining('60 bytes'),
    ]);
  });

  it('may say in texts whatever it likes', () => {
    const texts = ['[[[[', '{,,,,', 'a"b\\', '\\\\"[', ']'];
    const bounds = { ...MESSAGE_BOUNDS, depth: 2, values: 10 };
    expect(readJson(bytesOf(JSON.stringify(texts)), bounds)).toEqual(texts);
  });

  it('is refused as it is bounded: shape by shape, an engine that bounds nothing has no easier time of it', () => {
    const shape = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 60 }, fc.constant('1'), fc.constant('"[{,\\""'), tie('list'), tie('object')),
      list: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join()}]`),
      object: fc.array(tie('value'), { maxLength: 3 }).map((items) => `{${items.map((v, i) => `"${i}":${v}`).join()}}`),
    })).value as fc.Arbitrary<string>;
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 6 }), (text, depth) => {
        const isTooDeep = depthOf(JSON.parse(text)) > depth;
        expect(faultInJson(bytesOf(text), { ...MESSAGE_BOUNDS, depth }) !== null).toBe(isTooDeep);
      }),
    );
  });

  it.each(poisonRequests())('is read or refused, and nothing else happens: %s', (_, bytes) => {
    try {
      readJson(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(UnreadableJson);
      expect((error as UnreadableJson).reason).toMatch(/^(it|an object in it) [a-z0-9 :,-]+/i);
    }
  });

  it.each(['"\\u0000"', '{"\\ud800":1}', '["\\udfff"]'])('has no text that cannot be kept: %s', (text) => {
    expect(() => readJson(bytesOf(text))).toThrow('NUL character');
  });
});
