import { describe, expect, it } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import { FAILED_PAUSE_MS } from '../requests/paced-requests.js';
import type { ScheduledProject } from './due-backups.js';
import { Schedule } from './schedule.js';

const NOW = Date.parse('2031-05-06T12:00:00.000Z');
const DAY = 24 * 60 * 60_000;

const project = (id: string, more: Partial<ScheduledProject> = {}): ScheduledProject => ({
  id,
  hostId: 'host-1',
  intervalMinutes: 60,
  provisionedAt: NOW - 10 * DAY,
  freshness: 'stale',
  staleSince: NOW - DAY,
  statedAt: NOW - DAY,
  statedEpoch: null,
  newestBackup: null,
  lastEnded: null,
  failures: 0,
  restoredSinceNewest: false,
  busy: false,
  ...more,
});

function scheduleOf(
  projects: ScheduledProject[],
  more: { open?: [string, number][]; request?: () => Promise<void> } = {},
) {
  const asked: string[] = [];
  const control = { position: 10, steady: 0 };
  const sorted = projects.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const schedule = new Schedule({
    tables: {
      unprotected: ({ after, limit }) => Promise.resolve(sorted.filter(({ id }) => id > after).slice(0, limit)),
      openBackups: () => Promise.resolve(new Map(more.open ?? [])),
    },
    position: () => Promise.resolve(control.position),
    request: ({ projectId }) => {
      asked.push(projectId);
      return more.request?.() ?? Promise.resolve();
    },
    clock: { now: () => control.steady },
    log: { warn: () => undefined },
    tickMs: 1000,
    atMost: 3,
    perHost: 2,
  });
  return { schedule, asked, control };
}

describe('the schedule', () => {
  it('asks for so many backups at once, the longest overdue first, and for few on one host', async () => {
    const projects = [
      ...Array.from({ length: 600 }, (_, index) =>
        project(`many-${index}`, { staleSince: NOW - 5 * DAY + index * 1e6 }),
      ),
      project('other', { hostId: 'host-2' }),
      project('third', { hostId: 'host-3' }),
    ];
    const { schedule, asked } = scheduleOf(projects, { open: [['host-3', 2]] });
    await schedule.tick(NOW);
    expect(asked.toSorted()).toEqual(['many-0', 'many-1', 'other']);
  });

  it('does not repeat a request before the tables can show it', async () => {
    const { schedule, asked, control } = scheduleOf([project('atlas')]);
    await schedule.tick(NOW);
    control.steady += 59_999;
    await schedule.tick(NOW + DAY);
    expect(asked).toEqual(['atlas']);
    control.steady += 1;
    await schedule.tick(NOW);
    expect(asked).toEqual(['atlas', 'atlas']);
  });

  it('asks again soon when nobody answered, and much later when it was refused', async () => {
    const unanswered = scheduleOf([project('atlas')], { request: () => Promise.reject(new Unanswered('s', null)) });
    await unanswered.schedule.tick(NOW);
    unanswered.control.steady += FAILED_PAUSE_MS;
    await unanswered.schedule.tick(NOW);
    expect(unanswered.asked).toHaveLength(2);

    const refusal = { code: 'project-has-no-data', detail: 'It has no data.', retry: false };
    const refused = scheduleOf([project('atlas')], { request: () => Promise.reject(new Refused(refusal)) });
    await refused.schedule.tick(NOW);
    refused.control.steady += 9 * 60_000;
    await refused.schedule.tick(NOW);
    expect(refused.asked).toHaveLength(1);
  });

  it('asks for the others meanwhile, though those that failed are overdue for longer', async () => {
    const projects = Array.from({ length: 15 }, (_, index) =>
      project(`p-${index}`, { hostId: `host-${index}`, staleSince: NOW - 5 * DAY + index * 1e6 }),
    );
    const { schedule, asked, control } = scheduleOf(projects, {
      request: () => Promise.reject(new Unanswered('s', null)),
    });
    for (let tick = 0; tick < 10; tick++) {
      await schedule.tick(NOW);
      control.steady += 10_000;
    }
    expect(new Set(asked).size).toBe(projects.length);
  });

  it('asks for nothing while the tables are behind where they were', async () => {
    const { schedule, asked, control } = scheduleOf([project('atlas')]);
    control.position = 20;
    await schedule.tick(NOW);
    control.position = 5;
    await schedule.tick(NOW + DAY);
    expect(asked).toEqual(['atlas']);
  });
});
