import { describe, expect, it } from '@jest/globals';
import type { HostReport, ProjectReport, ReceivedActivity } from '@buckets/contracts';
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

describe('a host', () => {
  it('is seen with whatever it tells, and says when another process speaks', () => {
    const board = new ActivityBoard();
    expect(board.hear(project('first', 7), { at: 100, live: false })).toEqual({
      hostId: 'host-1',
      projectId: 'atlas',
      newProcess: false,
    });
    expect(board.hear(host('second'), { at: 150, live: true })).toEqual({ hostId: 'host-1', newProcess: true });
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
