import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changesOf, opens } from './testing/tampering.js';
import { createRecoveryPassword, isSealed, open, seal, VaultUnreadable } from './index.js';
import type { TextPlace } from './index.js';

const place: TextPlace = { thing: 'project', id: 'p1', field: 'title' };
const dataKey = randomBytes(32);

describe('a sealed text', () => {
  it('opens with its key at its place, whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const sealed = seal(dataKey, text, place);
        expect(sealed).toMatch(/^sealed:1:[\w-]+$/);
        expect(isSealed(sealed)).toBe(true);
        expect(open(dataKey, sealed, place)).toBe(text.toWellFormed());
      }),
      { numRuns: 50 },
    );
  });

  it('opens at no other place and with no other key', () => {
    const sealed = seal(dataKey, 'Diary', place);
    const others: TextPlace[] = [
      { ...place, thing: 'host' },
      { ...place, id: 'p2' },
      { ...place, field: 'description' },
      { thing: 'project', id: 'p', field: '1title' },
    ];
    for (const other of others) expect(() => open(dataKey, sealed, other)).toThrow(VaultUnreadable);
    expect(() => open(randomBytes(32), sealed, place)).toThrow(VaultUnreadable);
  });

  it('does not open when any of its characters is another', () => {
    const sealed = seal(dataKey, 'Diary', place);
    const changed = [...changesOf(sealed), 'Diary', 'sealed:1:', 'sealed:1:AAAA'];
    expect(changed.filter((text) => opens(() => open(dataKey, text, place)))).toEqual([]);
  });
});

describe('a recovery password', () => {
  it('can be read out and typed: eight groups of four, no digits that look alike', () => {
    const password = createRecoveryPassword();
    expect(password).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){7}[0-9a-hjkmnp-tv-z]{4}$/);
    expect(createRecoveryPassword()).not.toBe(password);
  });

  it('uses all of its 32 digits', () => {
    const digits = new Set(Array.from({ length: 100 }, createRecoveryPassword).join('').replaceAll('-', ''));
    expect(digits.size).toBe(32);
  });
});
