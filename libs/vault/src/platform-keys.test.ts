import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changesOf, opens } from './testing/tampering.js';
import { PlatformKeyInvalid, PlatformKeys, PlatformKeyUnknown, VaultUnreadable } from './index.js';
import type { WrapContext } from './index.js';

const text = () => randomBytes(32).toString('base64');
const context: WrapContext = { purpose: 'project-keys', id: 'p1' };

describe('a wrapped value', () => {
  const keys = new PlatformKeys(text());

  it('opens with the key that wrapped it, as what it was wrapped', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, id) => {
        expect(keys.unwrap(keys.wrap(bytes, { ...context, id }), { ...context, id })).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('opens as nothing else', () => {
    const wrapped = keys.wrap(Buffer.from('x'), context);
    expect(() => keys.unwrap(wrapped, { ...context, id: 'p2' })).toThrow(VaultUnreadable);
    expect(() => keys.unwrap(wrapped, { ...context, purpose: 'bucket-credentials' })).toThrow(VaultUnreadable);
  });

  it('does not open when any of its characters is another, more or less', () => {
    const wrapped = keys.wrap(Buffer.from('some bytes'), context);
    const changed = [...changesOf(wrapped), '', `${wrapped}A`, `${wrapped}\n`, `${wrapped}=`];
    expect(changed.filter((value) => opens(() => keys.unwrap(value, context)))).toEqual([]);
  });

  it('is never the same twice', () => {
    expect(keys.wrap(Buffer.from('x'), context)).not.toBe(keys.wrap(Buffer.from('x'), context));
  });
});

describe('the platform key', () => {
  it('can be replaced: earlier values open while the earlier key is given, new ones need only the new one', () => {
    const [first, second] = [text(), text()];
    const old = new PlatformKeys(first).wrap(Buffer.from('old'), context);
    const both = new PlatformKeys(second, [first]);

    expect(both.unwrap(old, context).toString()).toBe('old');
    expect(new PlatformKeys(second).unwrap(both.wrap(Buffer.from('new'), context), context).toString()).toBe('new');
    expect(() => new PlatformKeys(second).unwrap(old, context)).toThrow(PlatformKeyUnknown);
  });

  it.each([
    '',
    'hunter2',
    randomBytes(31).toString('base64'),
    randomBytes(33).toString('base64'),
    `${text()}!`,
    'é'.repeat(44),
  ])('is refused when it is not 32 bytes in base64, without being shown (%#)', (wrong) => {
    const refused = (() => {
      try {
        return new PlatformKeys(wrong);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toBeInstanceOf(PlatformKeyInvalid);
    if (wrong !== '') expect((refused as Error).message).not.toContain(wrong);
  });
});
