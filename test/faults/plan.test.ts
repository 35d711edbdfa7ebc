import { describe, expect, it } from '@jest/globals';
import { planRound, PROJECTS, roundText, type Fault } from './plan.js';

const MANY = Array.from({ length: 2_000 }, (_, number) => planRound(1, number));

describe('a plan', () => {
  it('follows from its seed, each round by itself', () => {
    expect(planRound(7, 123)).toEqual(planRound(7, 123));
    expect(roundText(planRound(7, 123))).not.toEqual(roundText(planRound(8, 123)));
    expect(roundText(planRound(7, 123))).not.toEqual(roundText(planRound(7, 124)));
  });

  it('has all kinds of faults and commands, in every project', () => {
    const faults = new Set(MANY.map(({ fault }) => fault.fault));
    expect([...faults].toSorted()).toEqual([
      ...['cut', 'data-root-away', 'delay', 'disk-full', 'freeze', 'kill', 'refuse', 'tenant', 'truncate'],
      ...['unavailable', 'wrong-clock'],
    ]);
    const victims = MANY.flatMap(({ fault }) => ('what' in fault ? [`${fault.fault} ${fault.what}`] : []));
    expect(new Set(victims).size).toBe(2 * 9);
    for (const { id } of PROJECTS) {
      const commands = MANY.flatMap(({ steps }) => steps).filter(({ project }) => project === id);
      expect(new Set(commands.map(({ command }) => command.do)).size).toBe(9);
    }
  });

  it('has what a tenant, a clock and a mount may do in each dozen of its rounds, on every host and project', () => {
    const special = (fault: Fault) =>
      fault.fault === 'tenant' ? fault.doing : 'hostId' in fault ? fault.fault : undefined;
    for (let first = 0; first + 12 <= MANY.length; first += 12) {
      const kinds = MANY.slice(first, first + 12).flatMap(({ fault }) => special(fault) ?? []);
      expect(kinds.toSorted()).toEqual(['data-root-away', 'swap-files', 'swap-folders', 'write-logs', 'wrong-clock']);
    }
    const places = MANY.flatMap(({ fault }) =>
      fault.fault === 'tenant'
        ? `${fault.doing} ${fault.project}`
        : 'hostId' in fault
          ? `${fault.fault} ${fault.hostId}`
          : [],
    );
    expect(new Set(places).size).toBe(3 * PROJECTS.length + 2 * 2);
  });

  it('backs projects up while their tenants are at work, or the clock of their host is wrong', () => {
    for (const { fault, faultAfterMs, steps } of MANY) {
      if (fault.fault !== 'tenant' && fault.fault !== 'wrong-clock') continue;
      expect(faultAfterMs).toBe(0);
      const isMeant = (id: string, hostId: string) =>
        fault.fault === 'tenant' ? id === fault.project : hostId === fault.hostId;
      const meant = PROJECTS.filter(({ id, hostId }) => isMeant(id, hostId)).map(({ id }) => id);
      const first = meant.flatMap((project) => Array.from({ length: 3 }, () => project));
      expect(steps.slice(0, first.length)).toEqual(
        first.map((project) => ({ project, command: { do: 'backup' }, hurry: false })),
      );
    }
  });

  it('does something to each project in each round, and lasts seconds', () => {
    for (const { steps, lastsMs, faultAfterMs } of MANY) {
      expect(new Set(steps.map(({ project }) => project)).size).toBe(PROJECTS.length);
      expect(faultAfterMs).toBeLessThan(lastsMs);
    }
  });
});
