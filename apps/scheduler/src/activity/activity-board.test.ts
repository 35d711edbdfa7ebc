import { describe, expect, it } from '@jest/globals';
import type { HostReport, ProjectReport, ReceivedActivity } from '@buckets/contracts';
import fc from 'fast-check';
import { ActivityBoard, MAX_REPORTS_OF_A_HOST } from './activity-board.js';

const envelope = { messageId: 'm', time: '2031-05-06T12:00:00.000Z' };
const atlas = { id: 'atlas', hostId: 'host-1', generation: 1 };

function project(incarnation: string, n: number, projectId = 'atlas', hostId = 'host-1'): ReceivedActivity {
  const data = { incarnation, counter: { generation: 1, epoch: 'dawn', n }, sameAs: [], firstChanges: [] };
  return { ...envelope, name: 'project', hostId, projectId, data: data as unknown as ProjectReport };
}
function host(incarnation: string, hostId = 'host-1'): ReceivedActivity {
  return { ...envelope, name: 'host', hostId, data: { incarnation } as HostReport };
}

function heard(...messages: [activity: ReceivedActivity, at: number][]): ActivityBoard {
  const board = new ActivityBoard();
  for (const [activity, at] of messages) board.hear(activity, { at, live: true });
  return board;
}

describe('a report', () => {
  it('is vouched for by every later sign of life of the process that made it', () => {
    const board = heard([project('first', 7), 100], [host('first'), 200], [project('first', 1, 'other'), 300]);
    expect(board.reportOf(atlas)).toMatchObject({ report: { counter: { n: 7 } }, vouchedAt: 300, current: true });
  });

  it('of a process that was followed by another is vouched for until that one was last heard', () => {
    const board = heard([project('first', 7), 100], [host('first'), 200], [host('second'), 300], [host('second'), 400]);
    expect(board.reportOf(atlas)).toMatchObject({ vouchedAt: 200, current: false });
  });

  it('of a process before that is vouched for by nobody', () => {
    const board = heard([project('first', 7), 100], [host('second'), 300], [host('third'), 400]);
    expect(board.reportOf(atlas)).toEqual(expect.objectContaining({ vouchedAt: undefined, current: false }));
  });

  it('from another host, or of another generation, is none', () => {
    const board = heard([project('first', 7, 'atlas', 'host-2'), 100]);
    expect(board.reportOf(atlas)).toBeUndefined();
    expect(heard([project('first', 7), 100]).reportOf({ ...atlas, generation: 2 })).toBeUndefined();
  });

  it('does not let a host take all memory with projects that it invents', () => {
    const board = heard([project('first', 7), 100]);
    for (let each = 0; each < MAX_REPORTS_OF_A_HOST; each++) {
      board.hear(project('first', 1, `p-${each}`), { at: 100, live: true });
    }
    expect(board.reportOf(atlas)).toBeUndefined();
    expect(board.reportOf({ ...atlas, id: 'p-0' })).toBeDefined();
  });
});

describe('a sign of life', () => {
  const numbered = (number: number, projectId = 'atlas', incarnation = 'first'): ReceivedActivity => {
    const { data, ...report } = project(incarnation, 1, projectId) as Extract<ReceivedActivity, { name: 'project' }>;
    return { ...report, data: { ...data, number } };
  };
  const sign = (reported: number, incarnation = 'first', reportedFrom = 1): ReceivedActivity => {
    const { data, ...of } = host(incarnation) as Extract<ReceivedActivity, { name: 'host' }>;
    return { ...of, data: { ...data, reported, reportedFrom } };
  };
  const completeAt = (board: ActivityBoard) => [...board.complete()][0]!.completeAt;

  it('says whether the latest report on each project was heard', () => {
    const board = heard([numbered(1), 100], [numbered(2, 'other'), 110], [sign(3), 120]);
    expect(completeAt(board)).toBe(120);
    // The report with number 3, on one of the two, is lost.
    expect(board.hear(sign(2 + 3), { at: 130, live: true })).toMatchObject({ isComplete: false });
    expect(completeAt(board)).toBe(120);
    board.hear(numbered(4), { at: 140, live: true });
    board.hear(sign(3 + 4), { at: 150, live: true });
    expect(completeAt(board)).toBe(120);
    board.hear(numbered(5, 'other'), { at: 160, live: true });
    board.hear(sign(4 + 5), { at: 170, live: true });
    expect(completeAt(board)).toBe(170);
  });

  it('counts what its own process has reported, and nothing of the one before', () => {
    const board = heard([numbered(7), 100], [sign(7), 110], [sign(0, 'second'), 200]);
    expect(completeAt(board)).toBe(200);
    board.hear(numbered(1, 'atlas', 'second'), { at: 210, live: true });
    board.hear(sign(1, 'second'), { at: 220, live: true });
    expect(completeAt(board)).toBe(220);
  });

  it('is complete without the reports on projects that are no longer there, once all was reported anew', () => {
    for (const missing of [true, false]) {
      const board = heard([numbered(1, 'gone'), 100], [numbered(2), 110]);
      const fresh = missing ? heard([numbered(2), 110]) : board;
      expect(fresh.hear(sign(3), { at: 120, live: true }).isComplete).toBe(!missing);
      fresh.hear(numbered(3), { at: 130, live: true });
      expect(fresh.hear(sign(3, 'first', 3), { at: 140, live: true }).isComplete).toBe(true);
      fresh.hear(numbered(4, 'new'), { at: 150, live: true });
      expect(fresh.hear(sign(7, 'first', 3), { at: 160, live: true }).isComplete).toBe(true);
    }
  });

  it('of a host of an earlier version is taken as it is', () => {
    expect(completeAt(heard([project('first', 7), 100], [host('first'), 120]))).toBe(120);
  });

  it('is certain of nothing before it was heard', () => {
    expect(completeAt(heard([project('first', 7), 100]))).toBeUndefined();
  });

  it('is as complete as the reports that got through, whichever are lost', () => {
    const reports = fc.array(fc.record({ which: fc.nat(4), arrives: fc.boolean() }), { maxLength: 30 });
    fc.assert(
      fc.property(reports, (made) => {
        const board = heard([host('first'), 1]);
        const latest = new Map<number, number>();
        const got = new Map<number, number>();
        for (const [index, { which, arrives }] of made.entries()) {
          latest.set(which, index + 1);
          if (!arrives) continue;
          got.set(which, index + 1);
          board.hear(numbered(index + 1, `p-${which}`), { at: 2, live: true });
        }
        const sum = [...latest.values()].reduce((one, other) => one + other, 0);
        const isAll = [...latest].every(([which, number]) => got.get(which) === number);
        expect(board.hear(sign(sum), { at: 3, live: true }).isComplete).toBe(isAll);
      }),
    );
  });
});

describe('a host', () => {
  it('is seen with whatever it tells, and says when another process speaks', () => {
    const board = new ActivityBoard();
    expect(board.hear(project('first', 7), { at: 100, live: false })).toEqual({
      hostId: 'host-1',
      projectId: 'atlas',
      newProcess: false,
      certainAt: undefined,
    });
    board.hear(host('first'), { at: 120, live: true });
    expect(board.hear(host('second'), { at: 150, live: true })).toEqual({
      hostId: 'host-1',
      newProcess: true,
      certainAt: 120,
      isComplete: true,
    });
    expect(board.reportOf(atlas)).toMatchObject({ current: false, certainUntil: 120 });
    expect(board.seenAt('host-1')).toBe(150);
  });

  it('that only the stream remembers has not been heard live', () => {
    const board = new ActivityBoard();
    board.hear(host('first'), { at: 100, live: false });
    expect(board.isHeardLive('host-1')).toBe(false);
    board.hear(host('first'), { at: 200, live: true });
    expect(board.isHeardLive('host-1')).toBe(true);
  });

  it('is silent when it has not been seen for longer than the limit', () => {
    const board = heard([host('first'), 100], [host('first', 'host-2'), 300]);
    expect(board.count(350, 100)).toEqual({ heard: 1, silent: 1 });
  });
});

it('what a stream has kept confirms nothing of a host: its age is the word of a clock that may have been set back', () => {
  const board = new ActivityBoard();
  const confirmed = () => [...board.complete()].map(({ completeAt }) => completeAt);
  board.hear(host('first'), { at: 100, live: false });
  expect(board.hear(project('first', 7), { at: 110, live: true })).toMatchObject({ certainAt: undefined });
  expect(confirmed()).toEqual([undefined]);
  board.hear(host('second'), { at: 115, live: false });
  expect(board.reportOf(atlas)).toMatchObject({ current: false, certainUntil: undefined });
  board.hear(host('second'), { at: 120, live: true });
  expect(confirmed()).toEqual([120]);
});
