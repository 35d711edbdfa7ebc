import { beforeEach, describe, expect, it } from '@jest/globals';
import { SilentHosts } from './silent-hosts.js';

const LIMIT_MS = 30_000;
let lines: [level: string, fields: object, text: string][];
let seenAt: Map<string, number>;
let hosts: SilentHosts;

beforeEach(() => {
  lines = [];
  seenAt = new Map();
  const say = (level: string) => (fields: object | string, text?: string) =>
    void lines.push([level, fields as object, text!]);
  hosts = new SilentHosts({
    seenAt: (hostId) => seenAt.get(hostId),
    log: { warn: say('warn'), info: say('info') } as never,
    silenceLimitMs: LIMIT_MS,
  });
});
const look = (ids: string[], now: number, listeningSince = 0) => hosts.look(ids, { now, listeningSince });

describe('a host', () => {
  it('that falls silent and comes back is logged once each, and counted without its name meanwhile', () => {
    seenAt.set('eu-1', 100_000);
    look(['eu-1'], 130_000);
    expect([hosts.warning(), lines]).toEqual([null, []]);
    for (let now = 130_001; now < 200_000; now += 5_000) look(['eu-1'], now);
    expect(hosts.warning()).toMatch(/^Nothing is heard of 1 host/);
    expect(hosts.warning()).not.toContain('eu-1');
    expect(lines).toEqual([['warn', { hostId: 'eu-1', silentSeconds: 30 }, expect.stringContaining('fallen silent')]]);
    seenAt.set('eu-1', 200_000);
    look(['eu-1'], 200_001);
    expect([hosts.warning(), lines.at(-1)]).toEqual([null, ['info', { hostId: 'eu-1' }, 'A host is heard again']]);
    expect(lines).toHaveLength(2);
  });

  it('that has projects and never came up is told as such', () => {
    look(['eu-1'], 100_000);
    expect(lines).toEqual([['warn', { hostId: 'eu-1' }, expect.stringContaining('never been heard')]]);
    expect(hosts.size).toBe(1);
  });

  it('is not silent because nobody listens, or has not for long enough', () => {
    look(['eu-1'], 100_000, Infinity);
    look(['eu-1'], 100_000, 70_000);
    expect([hosts.warning(), lines]).toEqual([null, []]);
  });

  it('is one of few that are named when many fall silent at once', () => {
    const ids = Array.from({ length: 500 }, (_, index) => `host-${index}`);
    look(ids, 100_000);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toEqual(['warn', { hosts: 490 }, 'More hosts have fallen silent']);
    expect(hosts.warning()).toMatch(/^Nothing is heard of 500 hosts/);
  });
});
