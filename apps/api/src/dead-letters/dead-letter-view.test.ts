import { describe, expect, it } from '@jest/globals';
import { MAX_SHOWN_BYTES, shown } from './dead-letter-view.js';

describe('the content of a dead letter', () => {
  it('is shown as text when it is UTF-8, and as base64 otherwise', () => {
    expect(shown(Buffer.from('\uFEFFGrüße 🏔'))).toEqual({ content: '\uFEFFGrüße 🏔', encoding: 'utf-8', cut: false });
    const bytes = Buffer.from([0xff, 0xfe, 0]);
    expect(shown(bytes)).toEqual({ content: bytes.toString('base64'), encoding: 'base64', cut: false });
    expect(shown(new Uint8Array())).toEqual({ content: '', encoding: 'utf-8', cut: false });
  });

  it('is cut at 64 KiB, within no character, and says so', () => {
    const long = shown(Buffer.from(`a${'ü'.repeat(MAX_SHOWN_BYTES)}`));
    expect(long).toEqual({ content: `a${'ü'.repeat(MAX_SHOWN_BYTES / 2 - 1)}`, encoding: 'utf-8', cut: true });
    const binary = shown(Buffer.alloc(MAX_SHOWN_BYTES + 1, 0xff));
    expect([Buffer.from(binary.content, 'base64').length, binary.cut]).toEqual([MAX_SHOWN_BYTES, true]);
    expect(shown(Buffer.alloc(MAX_SHOWN_BYTES, 'x')).cut).toBe(false);
  });
});
