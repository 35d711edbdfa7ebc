import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { byHost, CONTROL_PLANE, Turns, type Asker } from './turns.js';

const member = (share: string): Asker => ({ rank: 'member', share });
const owner: Asker = { rank: 'owner', share: 'ada' };

describe('turns', () => {
  let turns: Turns;
  let done: string[];
  let first: PromiseWithResolvers<void>;
  let asked: Promise<unknown>[];

  beforeEach(() => {
    turns = new Turns();
    done = [];
    asked = [];
    first = Promise.withResolvers();
    void ask('first', CONTROL_PLANE, () => first.promise);
  });

  function ask(name: string, asker: Asker, work: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const answer = turns.take('project/atlas', asker, async () => {
      await work();
      done.push(name);
    });
    asked.push(answer.catch(() => undefined));
    return answer;
  }
  const all = async () => {
    first.resolve();
    await Promise.all(asked);
  };

  it('of one rank come in the order in which they were asked for, one at a time', async () => {
    for (const name of ['a', 'b', 'c']) void ask(name, member(name));
    await all();
    expect(done).toEqual(['first', 'a', 'b', 'c']);
  });

  it('of an owner come before those of members, and those of the fleet before all', async () => {
    void ask('member', member('bob'));
    void ask('owner', owner);
    void ask('claim', CONTROL_PLANE);
    void ask('another member', member('eve'));
    void ask('another claim', CONTROL_PLANE);
    await all();
    expect(done).toEqual(['first', 'claim', 'another claim', 'owner', 'member', 'another member']);
  });

  it('are so many of one share at most, and others still get in', async () => {
    for (let n = 0; n < 10; n++) void ask('bob', member('bob'));
    await expect(ask('bob', member('bob'))).rejects.toMatchObject({ code: 'too-many-waiting', status: 429 });
    void ask('eve', member('eve'));
    await all();
    expect(done.filter((name) => name === 'bob')).toHaveLength(10);
    expect(done).toContain('eve');
    done = [];
    await ask('bob', member('bob'));
    expect(done).toEqual(['bob']);
  });

  it('of an owner, and of the fleet, have room however many members wait', async () => {
    for (let n = 0; n < 100; n++) void ask('member', member(`m${n}`));
    await expect(ask('one more', member('eve'))).rejects.toMatchObject({ code: 'too-busy', status: 503 });
    void ask('owner', owner);
    void ask('fleet', CONTROL_PLANE);
    await all();
    expect(done.slice(0, 3)).toEqual(['first', 'fleet', 'owner']);
    expect(done).toHaveLength(103);
  });

  it('of hosts and of people come by turns, so that neither keep the other waiting', async () => {
    for (let n = 0; n < 3; n++) void ask(`host ${n}`, byHost('h1'));
    void ask('member', member('bob'));
    void ask('owner', owner);
    void ask('fleet', CONTROL_PLANE);
    void ask('another host', byHost('h2'));
    await all();
    expect(done).toEqual(['first', 'fleet', 'host 0', 'owner', 'host 1', 'member', 'host 2', 'another host']);
  });

  it('of hosts do not begin anew with a host after one of the fleet', async () => {
    void ask('host 0', byHost('h1'), async () => void ask('fleet', CONTROL_PLANE));
    void ask('host 1', byHost('h1'));
    void ask('member', member('bob'));
    await all();
    await Promise.all(asked);
    expect(done).toEqual(['first', 'host 0', 'fleet', 'member', 'host 1']);
  });

  it('of one host are so many at most, and of all hosts, and keep nobody else out', async () => {
    for (let n = 0; n < 10; n++) void ask('h0', byHost('h0'));
    await expect(ask('h0', byHost('h0'))).rejects.toMatchObject({ code: 'too-many-waiting', status: 429 });
    for (let n = 10; n < 100; n++) void ask('hosts', byHost(`h${n % 9}x`));
    await expect(ask('h10', byHost('h10'))).rejects.toMatchObject({ code: 'too-busy' });
    void ask('administrator', CONTROL_PLANE);
    void ask('owner', owner);
    void ask('member', member('bob'));
    await all();
    expect(done.slice(0, 6)).toEqual(['first', 'administrator', 'h0', 'owner', 'h0', 'member']);
    expect(done).toHaveLength(104);
  });

  it('that do not come in time are given up, and leave their place', async () => {
    jest.useFakeTimers();
    try {
      const late = ask('late', member('bob'));
      jest.advanceTimersByTime(5_000);
      await expect(late).rejects.toMatchObject({ code: 'too-busy' });
      for (let n = 0; n < 10; n++) void ask('bob', member('bob'));
      await all();
      expect(done).toEqual(['first', ...Array<string>(10).fill('bob')]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('go on after work that fails', async () => {
    const failing = ask('failing', owner, () => Promise.reject(new Error('no')));
    void ask('next', owner);
    first.resolve();
    await expect(failing).rejects.toThrow('no');
    await all();
    expect(done).toEqual(['first', 'next']);
  });
});
