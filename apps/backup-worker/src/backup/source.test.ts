import { describe, expect, it } from '@jest/globals';
import { consistencyOf } from './source.js';

describe('the consistency of a backup', () => {
  it.each([
    ['a stopped project is backed up as it stands', false, false, undefined, 'stopped'],
    ['a stopped project needs no snapshot', false, true, undefined, 'stopped'],
    ['a running project is frozen where the host can', true, true, undefined, 'snapshot'],
    ['a running project is read live where the host cannot', true, false, undefined, 'live'],
    ['a caller may insist on a live backup', true, true, 'live', 'live'],
    ['a caller may insist on a snapshot', false, true, 'snapshot', 'snapshot'],
    ['a caller may insist on a stopped project', false, true, 'stopped', 'stopped'],
  ] as const)('%s', (_, running, canSnapshot, wanted, expected) => {
    expect(consistencyOf(running, canSnapshot, wanted)).toBe(expected);
  });

  it.each([
    ['a snapshot where the host has no command for it', true, false, 'snapshot', 'snapshot-not-configured'],
    ['a stopped project while it runs', true, true, 'stopped', 'project-is-running'],
  ] as const)('refuses to pretend: %s', (_, running, canSnapshot, wanted, code) => {
    expect(() => consistencyOf(running, canSnapshot, wanted)).toThrow(
      expect.objectContaining({ code }) as unknown as Error,
    );
  });
});
