import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { writeConfirmation, type ReceivedActivity } from '@buckets/contracts';
import fc from 'fast-check';
import { ConfirmedFreshness } from '../../apps/api/src/projects/confirmed-freshness.js';
import type { FreshnessView } from '../../apps/api/src/projects/project-view.js';
import { ReportNumbers } from '../../apps/backup-worker/src/control-plane/report-numbers.js';
import { ActivityBoard } from '../../apps/scheduler/src/activity/activity-board.js';
import { confirmationsAt } from '../../apps/scheduler/src/freshness/confirmations.js';

const LIMIT_MS = 60_000;
const HOST = 'eu-1';
const PROJECTS = ['atlas', 'other'] as const;
type ProjectId = (typeof PROJECTS)[number];
type Value = 'fresh' | 'stale';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A host with two projects, the scheduler, the log and the API, of which any may stand still or lag behind. */
class World {
  private readonly truth = new Map<ProjectId, { at: number; value: Value }[]>();
  private readonly numbers = new ReportNumbers();
  private readonly board = new ActivityBoard();
  /** What the stream keeps and the scheduler has not taken yet, in order. */
  private stream: { subject: string; activity: ReceivedActivity; at: number }[] = [];
  /** What the host has not told yet. */
  private readonly untold = new Set<ProjectId>();
  private readonly waiting = new Map<ProjectId, number>();
  private readonly reported = new Map<ProjectId, Value>();
  private readonly unstated = new Map<ProjectId, { value: Value; since: number }>();
  private readonly madeAt = new Date().toISOString();
  private readonly log: { projectId: ProjectId; value: Value; at: string }[] = [];
  private readonly tables = { position: 0 };
  private readonly api = new ConfirmedFreshness({
    projector: this.tables,
    limitMs: LIMIT_MS,
    log: { warn: () => undefined },
  });
  private isHostUp = true;
  private isSchedulerUp = true;
  private isApiListening = true;

  constructor() {
    this.api.listening();
    for (const id of PROJECTS) {
      this.truth.set(id, [{ at: performance.now(), value: 'fresh' }]);
      this.tell(id, true);
    }
  }

  happen({ what, id, arrives }: Action): void {
    switch (what) {
      case 'change':
        this.truth.get(id)!.push({ at: performance.now(), value: this.now(id) === 'fresh' ? 'stale' : 'fresh' });
        if (this.isHostUp) return this.tell(id, arrives);
        return void this.untold.add(id);
      case 'beat':
        return this.beat();
      case 'host':
        this.isHostUp = !this.isHostUp;
        if (this.isHostUp) for (const each of this.untold) this.tell(each, arrives);
        if (this.isHostUp) this.untold.clear();
        return;
      case 'scheduler':
        this.isSchedulerUp = !this.isSchedulerUp;
        return;
      case 'api':
        this.isApiListening = !this.isApiListening;
        return;
      case 'hear':
        if (this.isSchedulerUp) this.hear();
        return;
      case 'look':
        if (this.isSchedulerUp) this.look();
        return;
      case 'state':
        if (this.isSchedulerUp) this.state(id);
        return;
      case 'confirm':
        if (this.isSchedulerUp) this.confirm();
        return;
      case 'project':
        this.tables.position = Math.min(this.log.length, this.tables.position + 1);
    }
  }

  /**
   * What is shown was so at some moment since it was confirmed, which was not long ago, nor before it was stated or the
   * project was made: of one project more may be known by then. What was not confirmed since it was stated was so within
   * the limit.
   */
  check(): void {
    for (const id of PROJECTS) {
      const { freshness, confirmedAt, statedAt = this.madeAt } = this.shown(id);
      if (confirmedAt !== undefined) expect(Date.parse(confirmedAt)).toBeGreaterThanOrEqual(Date.parse(statedAt));
      if (freshness !== 'fresh' && freshness !== 'stale') continue;
      // Moments are told in whole milliseconds.
      if (confirmedAt === undefined) {
        expect(this.valuesSince(id, LIMIT_MS + 1)).toContain(freshness);
      } else {
        const ageMs = Date.now() - Date.parse(confirmedAt);
        expect(ageMs).toBeLessThanOrEqual(LIMIT_MS + 1);
        expect(this.valuesSince(id, ageMs + 1)).toContain(freshness);
      }
    }
  }

  shown(id: ProjectId): FreshnessView {
    const stated = this.log.slice(0, this.tables.position).findLast(({ projectId }) => projectId === id);
    return this.api.view()({
      id,
      host_id: HOST,
      freshness: stated?.value ?? 'never',
      freshness_reason: '',
      stale_since: null,
      covered_by: null,
      freshness_at: stated?.at ?? null,
      created_at: this.madeAt,
      unwatched: false,
      cover_lost: null,
    });
  }

  private now(id: ProjectId): Value {
    return this.truth.get(id)!.at(-1)!.value;
  }

  /** What it has been since so many milliseconds ago. */
  private valuesSince(id: ProjectId, sinceMs: number): Value[] {
    const all = this.truth.get(id)!;
    const held = all.findLastIndex(({ at }) => at <= performance.now() - sinceMs);
    return all.slice(Math.max(0, held)).map(({ value }) => value);
  }

  private tell(id: ProjectId, arrives: boolean): void {
    const number = this.numbers.next(id);
    if (!arrives) return;
    const counter = { generation: 1, epoch: this.now(id), n: 0 };
    const data = { incarnation: 'first', number, counter } as Extract<ReceivedActivity, { name: 'project' }>['data'];
    this.publish(id, { name: 'project', hostId: HOST, projectId: id, data, messageId: '', time: '' });
  }

  private beat(): void {
    if (!this.isHostUp) return;
    const { sum: reported, from: reportedFrom } = this.numbers;
    const data = { incarnation: 'first', reported, reportedFrom } as Extract<
      ReceivedActivity,
      { name: 'host' }
    >['data'];
    this.publish('_', { name: 'host', hostId: HOST, data, messageId: '', time: '' });
  }

  private publish(subject: string, activity: ReceivedActivity): void {
    this.stream = this.stream.filter((kept) => kept.subject !== subject);
    this.stream.push({ subject, activity, at: performance.now() });
  }

  private hear(): void {
    for (const { activity, at } of this.stream.splice(0)) {
      const { certainAt = -Infinity } = this.board.hear(activity, { at, live: true });
      if (activity.name !== 'project') continue;
      const id = activity.projectId as ProjectId;
      this.reported.set(id, activity.data.counter.epoch as Value);
      this.waiting.set(id, Math.min(certainAt, this.waiting.get(id) ?? certainAt));
    }
  }

  private look(): void {
    for (const [id, since] of this.waiting) {
      const value = this.reported.get(id)!;
      const stated = this.log.findLast(({ projectId }) => projectId === id)?.value;
      if (stated === value) this.unstated.delete(id);
      else this.unstated.set(id, { value, since: this.unstated.get(id)?.since ?? since });
    }
    this.waiting.clear();
  }

  private state(id: ProjectId): void {
    const statement = this.unstated.get(id);
    if (statement === undefined) return;
    this.log.push({ projectId: id, value: statement.value, at: new Date().toISOString() });
    this.unstated.delete(id);
  }

  private confirm(): void {
    const now = performance.now();
    const waitingSince = Math.min(...this.waiting.values());
    const waiting = { byLog: Infinity, byHosts: new Map([[HOST, waitingSince]]) };
    const unstated = [...this.unstated].map(([projectId, { since }]) => ({ projectId, hostId: HOST, since }));
    const log = { at: now, position: this.log.length };
    const known = { log, waiting, unstated, hosts: this.board.complete(), looks: [] };
    for (const confirmation of confirmationsAt(known, now)) {
      if (!this.isApiListening) continue;
      const { subject, bytes } = writeConfirmation(confirmation, 'buckets/scheduler');
      this.api.hear({ subject, data: bytes, keptAt: new Date(), ageMs: 0, live: true });
    }
  }
}

interface Action {
  what: 'change' | 'beat' | 'host' | 'scheduler' | 'api' | 'hear' | 'look' | 'state' | 'confirm' | 'project';
  id: ProjectId;
  /** Of what the host tells: whether it gets to the stream. */
  arrives: boolean;
  afterMs: number;
}
const often = (what: Action['what'], weight: number) => ({ weight, arbitrary: fc.constant(what) });
const action: fc.Arbitrary<Action> = fc.record({
  what: fc.oneof(
    ...(['beat', 'hear', 'look', 'state', 'confirm', 'project'] as const).map((what) => often(what, 6)),
    often('change', 3),
    ...(['host', 'scheduler', 'api'] as const).map((what) => often(what, 1)),
  ),
  id: fc.constantFrom(...PROJECTS),
  arrives: fc.integer({ min: 0, max: 5 }).map((drawn) => drawn > 0),
  afterMs: fc.integer({ min: 0, max: 15_000 }),
});

it('what is shown of freshness was so within the limit, whoever stands still, lags behind or loses something', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      const world = new World();
      for (const next of actions) {
        jest.advanceTimersByTime(next.afterMs);
        world.happen(next);
        world.check();
      }
    }),
    { numRuns: 2_000 },
  );
});

it('a change is shown when host, scheduler and API keep up, and what nobody confirms is not', () => {
  const world = new World();
  const [id] = PROJECTS;
  const all = (...whats: Action['what'][]) =>
    whats.forEach((what) => world.happen({ what, id, arrives: true, afterMs: 0 }));
  const keepUp = () => all('beat', 'hear', 'look', 'state', 'project', 'confirm');
  keepUp();
  expect(world.shown(id).freshness).toBe('fresh');
  all('change');
  keepUp();
  expect(world.shown(id).freshness).toBe('stale');
  jest.advanceTimersByTime(LIMIT_MS + 1);
  expect(world.shown(id).freshness).toBe('unknown');
  world.happen({ what: 'change', id, arrives: false, afterMs: 0 });
  keepUp();
  // The report is lost: the host beats, and vouches for nothing.
  expect(world.shown(id).freshness).toBe('unknown');
});

it('what rests on the host is confirmed by its word alone, whatever was shown by the log before', () => {
  const world = new World();
  const happen = (what: Action['what'], afterMs = 0) => {
    jest.advanceTimersByTime(afterMs);
    world.happen({ what, id: PROJECTS[0], arrives: false, afterMs });
  };
  (['hear', 'look', 'beat', 'change'] as const).forEach((what) => happen(what));
  const toldMs = Date.now();
  happen('confirm', 5_000);
  expect(world.shown(PROJECTS[0]).freshness).toBe('never');
  (['state', 'project', 'hear', 'confirm'] as const).forEach((what) => happen(what));
  // It was last certain before it was stated, which is no moment to tell.
  expect(world.shown(PROJECTS[0])).toMatchObject({ freshness: 'fresh' });
  expect(world.shown(PROJECTS[0])).not.toHaveProperty('confirmedAt');
  expect(Date.now()).toBeGreaterThan(toldMs);
});
