import { describe, expect, it } from '@jest/globals';
import { planRound, PROJECTS, roundText } from './plan.js';

const MANY = Array.from({ length: 2_000 }, (_, number) => planRound(1, number));

describe('a plan', () => {
  it('follows from its seed, each round by itself', () => {
    expect(planRound(7, 123)).toEqual(planRound(7, 123));
    expect(roundText(planRound(7, 123))).not.toEqual(roundText(planRound(8, 123)));
    expect(roundText(planRound(7, 123))).not.toEqual(roundText(planRound(7, 124)));
  });

  it('has all kinds of faults and commands, in every project', () => {
    const faults = new Set(MANY.map(({ fault }) => fault.fault));
    expect([...faults].toSorted()).toEqual(
      ['cut', 'delay', 'disk-full', 'freeze', 'kill', 'refuse', 'truncate', 'unavailable'].toSorted(),
    );
    const victims = MANY.flatMap(({ fault }) => ('what' in fault ? [`${fault.fault} ${fault.what}`] : []));
    expect(new Set(victims).size).toBe(2 * 9);
    for (const { id } of PROJECTS) {
      const commands = MANY.flatMap(({ steps }) => steps).filter(({ project }) => project === id);
      expect(new Set(commands.map(({ command }) => command.do)).size).toBe(9);
    }
  });

  it('does something to each project in each round, and lasts seconds', () => {
    for (const { steps, lastsMs, faultAfterMs } of MANY) {
      expect(new Set(steps.map(({ project }) => project)).size).toBe(PROJECTS.length);
      expect(faultAfterMs).toBeLessThan(lastsMs);
    }
  });
});
