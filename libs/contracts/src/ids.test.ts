import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { idFromKey, isId, newId, newMessageId } from './ids.js';

describe('ids', () => {
  it.each(['p', '0', 'a-b', 'a'.repeat(63), newId(), idFromKey('operation', 'admin', 'k')])('%s is one', (id) => {
    expect(isId(id)).toBe(true);
  });

  it.each(['', '-a', 'A', '..', '../..', 'a/b', 'a.b', 'a b', 'ä', 'a\n', 'a'.repeat(64), 7, null, undefined, ['a']])(
    '%j is none',
    (id) => {
      expect(isId(id)).toBe(false);
    },
  );

  it('sort by the moment they were made', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 1000 }), (now, later) => {
        expect(newId(now) < newId(now + later)).toBe(true);
        expect(newId(now)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }),
    );
  });

  it('follow from purpose, caller and key, each of which makes another one', () => {
    const part = fc.string();
    fc.assert(
      fc.property(part, part, part, part, (purpose, caller, key, other) => {
        const id = idFromKey(purpose, caller, key);
        expect(idFromKey(purpose, caller, key)).toBe(id);
        expect(idFromKey(`${purpose}${other}x`, caller, key)).not.toBe(id);
        expect(idFromKey(purpose, `${caller}${other}x`, key)).not.toBe(id);
        expect(idFromKey(purpose, caller, `${key}${other}x`)).not.toBe(id);
      }),
    );
    // Their parts are kept apart.
    expect(idFromKey('a', 'b', 'c')).not.toBe(idFromKey('a', 'bc', ''));
  });

  it('of messages have 128 random bits', () => {
    const ids = new Set(Array.from({ length: 1000 }, newMessageId));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});
