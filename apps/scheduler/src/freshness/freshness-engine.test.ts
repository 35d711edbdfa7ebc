import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { HostReport, ProjectReport, ReceivedActivity } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { ActivityBoard } from '../activity/activity-board.js';
import { FreshnessEngine } from './freshness-engine.js';
import type { ProjectFacts } from './freshness-tables.js';
import type { Statement } from './statements.js';

const SILENCE_LIMIT_MS = 200;

/** One project with one backup that holds everything, its tables, and an engine that looks at it. */
class Trial {
  now = 1_000_000;
  position = 10;
  reads = 0;
  readonly said: Statement[] = [];
  readonly missing: string[] = [];
  readonly stop = new AbortController();
  /** Read with the one project, and before it. */
  readonly others: ProjectFacts[] = [];
  readonly facts: ProjectFacts = {
    id: 'atlas',
    hostId: 'host-1',
    generation: 1,
    provisioned: true,
    createdAt: 0,
    outsideChanges: [],
    heldUntil: null,
    restoredPosition: null,
    backups: [
      {
        backupId: 'b1',
        beganAt: 500,
        beganPosition: 5,
        recordedPosition: 6,
        inDoubt: false,
        damaged: false,
        counter: { generation: 1, epoch: 'dawn', n: 7 },
        partialBecause: [],
      },
    ],
    stated: null,
  };
  readonly engine = new FreshnessEngine({
    tables: {
      position: () => Promise.resolve(this.position),
      read: (ids) => {
        this.reads++;
        return Promise.resolve({
          position: this.position,
          projects: ids.includes('atlas') ? [...this.others, this.facts] : [],
        });
      },
      changedAfter: (position) =>
        Promise.resolve(position < this.position ? [{ id: 'atlas', position: this.position }] : []),
      page: ({ after }) => Promise.resolve(after === '' ? ['atlas'] : []),
    },
    projector: this.projector(),
    board: new ActivityBoard(),
    statements: { offer: (statement) => this.said.push(statement) },
    requests: {
      need: (_, projectId) => this.missing.push(projectId),
      settle: () => this.missing.splice(0),
      drop: () => undefined,
    },
    clock: { now: () => this.now },
    log: { warn: () => undefined },
    silenceLimitMs: SILENCE_LIMIT_MS,
  });
  readonly running = this.engine.run(this.stop.signal);

  get last(): string | undefined {
    return this.said.at(-1)?.freshness.freshness;
  }

  hear(
    activity: 'host' | ProjectReport,
    { incarnation = 'first', live = true, agoMs = 0, reported = undefined as number | undefined } = {},
  ): void {
    const about = { hostId: 'host-1', messageId: '', time: '' };
    const message: ReceivedActivity =
      activity === 'host'
        ? { ...about, name: 'host', data: { incarnation, ...(reported !== undefined && { reported }) } as HostReport }
        : { ...about, name: 'project', projectId: 'atlas', data: { ...activity, incarnation } };
    this.engine.hear(message, { at: this.now - agoMs, live });
  }

  /** An event about the project; resolves when it has been looked at after that. */
  async happen(): Promise<void> {
    const { reads } = this;
    this.position++;
    await until(() => this.reads > reads);
  }

  async until(freshness: string): Promise<void> {
    await until(() => this.last === freshness, { what: `${freshness}, not ${this.last}` });
  }

  private projector() {
    const reaches = (position: number): Promise<boolean> => {
      const moved = () => this.position >= position || this.stop.signal.aborted;
      return until(moved, { withinMs: 1_000, everyMs: 2 }).catch(() => false);
    };
    const current = (): number => this.position;
    return {
      reaches,
      failure: undefined,
      get position() {
        return current();
      },
    };
  }
}

const report = (n: number): ProjectReport => ({
  incarnation: 'first',
  counter: { generation: 1, epoch: 'dawn', n },
  sameAs: [],
  firstChanges: [],
  epochBeganAt: 0,
  watched: true,
  running: false,
  at: 0,
});

let trial: Trial;
beforeEach(() => {
  trial = new Trial();
});
afterEach(async () => {
  trial.stop.abort();
  await trial.running;
});

it('a project that cannot be judged is left out by name, and holds up no other', async () => {
  trial.hear('host');
  trial.hear(report(7));
  await trial.until('fresh');
  const poisoned = { ...trial.facts, id: 'poison' };
  Object.defineProperty(poisoned, 'backups', {
    get: () => {
      throw new RangeError('Invalid time value');
    },
  });
  trial.others.push(poisoned);
  trial.hear(report(8));
  await trial.until('stale');
  expect(trial.engine.unjudged).toContainEqual({ projectId: 'poison', hostId: 'host-1', since: -Infinity });
  trial.engine.headway.check();
});

describe('a project is looked at again', () => {
  it('when its host reports', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    trial.hear(report(8));
    await trial.until('stale');
  });

  it('when something about it is in the log', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    trial.facts.backups = [];
    await trial.happen();
    await trial.until('never');
  });

  it('when its host has fallen silent', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    trial.now += SILENCE_LIMIT_MS + 2;
    await trial.until('unknown');
    trial.hear('host');
    await trial.until('fresh');
  });
});

describe('while the scheduler has not listened for long', () => {
  it('it calls nothing unknown, as the host may just not have been heard yet', async () => {
    trial.engine.listening();
    trial.hear(report(7), { live: false, agoMs: 10 * SILENCE_LIMIT_MS });
    await trial.happen();
    expect(trial.said).toEqual([]);
    trial.now += SILENCE_LIMIT_MS + 2;
    await trial.until('unknown');
  });

  it('what a host cannot look at is unknown at once, by its own word', async () => {
    trial.engine.listening();
    trial.hear({ ...report(7), trouble: 'hidden' });
    await trial.until('unknown');
    trial.hear(report(7));
    await trial.until('fresh');
  });

  it('or hears nothing at all, no host is silent for that', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    trial.engine.deaf();
    trial.now += 10 * SILENCE_LIMIT_MS;
    await trial.happen();
    expect(trial.last).toBe('fresh');
    trial.engine.listening();
    trial.now += SILENCE_LIMIT_MS + 2;
    await trial.until('unknown');
  });
});

describe('a report of a worker process that has ended', () => {
  it('counts no longer than a host may be silent, and is missed at once', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    trial.now += SILENCE_LIMIT_MS;
    trial.hear('host', { incarnation: 'second' });
    await until(() => trial.missing.includes('atlas'));
    expect(trial.last).toBe('fresh');
    trial.now += 2;
    await trial.until('unknown');
    expect(trial.said.at(-1)?.freshness.reason).toBe('Its host has not reported on it yet.');
    trial.hear(report(7), { incarnation: 'second' });
    await trial.until('fresh');
    expect(trial.missing).toEqual([]);
  });
});

describe('what may be confirmed', () => {
  it('is nothing before each project was looked at, and then all but what waits', async () => {
    const nothing = { byLog: Infinity, byHosts: new Map() };
    expect(trial.engine.waitingSince.byLog).toBe(-Infinity);
    trial.engine.listening();
    trial.hear(report(7));
    await trial.until('fresh');
    await until(() => trial.engine.waitingSince.byLog === Infinity);
    expect(trial.engine.waitingSince).toEqual(nothing);
    const { signal } = trial.stop;
    expect(await trial.engine.follows({ position: trial.position, at: 5 }, signal)).toBe(true);
    trial.position = 20;
    expect(await trial.engine.follows({ position: 20, at: 6 }, signal)).toBe(true);
    expect(await trial.engine.follows({ position: 21, at: 7 }, signal)).toBe(false);
  });

  it('is what its host had told before it told more', async () => {
    trial.engine.listening();
    trial.hear('host');
    const certainAt = trial.now;
    trial.now += 50;
    trial.hear(report(7));
    expect(trial.engine.waitingSince.byHosts).toEqual(new Map([['host-1', certainAt]]));
    await trial.until('fresh');
    expect(trial.engine.waitingSince.byHosts.size).toBe(0);
  });

  it('is not what a process reported that another has followed, until that one reports too', async () => {
    trial.engine.listening();
    trial.hear(report(7));
    trial.hear('host');
    await trial.until('fresh');
    const seenAt = trial.now;
    trial.now += 50;
    trial.hear('host', { incarnation: 'second' });
    await until(() => trial.engine.unjudged.length > 0);
    expect(trial.engine.unjudged).toEqual([{ projectId: 'atlas', hostId: 'host-1', since: seenAt }]);
    trial.hear(report(7), { incarnation: 'second' });
    await until(() => trial.engine.unjudged.length === 0);
  });

  it('is not what could not be judged yet', async () => {
    trial.engine.listening();
    trial.hear(report(7), { live: false, agoMs: 10 * SILENCE_LIMIT_MS });
    await until(() => trial.engine.unjudged.length > 0);
    expect(trial.engine.unjudged).toMatchObject([{ projectId: 'atlas', since: Number.NEGATIVE_INFINITY }]);
  });
});

it('what is fresh by a look is unknown once that is too long ago, though nothing happens', async () => {
  trial.engine.listening();
  trial.hear({ ...report(7), watched: false, lookedMs: 0, lookEveryMs: 1_000 });
  await trial.until('fresh');
  expect(trial.engine.looks).toMatchObject([{ hostId: 'host-1', at: trial.now }]);
  const beating = setInterval(() => trial.hear('host'), 10);
  try {
    trial.now += 3_000 + 10_000 + 1;
    await trial.until('unknown');
  } finally {
    clearInterval(beating);
  }
  expect(trial.said.at(-1)?.freshness.reason).toBe('Its host has not been able to look through it for a while.');
  expect(trial.engine.looks).toEqual([]);
});

it('a report that is missing is asked for, until all were heard', async () => {
  trial.engine.listening();
  trial.hear({ ...report(7), number: 1 } as ProjectReport);
  trial.hear('host', { reported: 1 });
  expect(trial.missing).toEqual([]);
  trial.hear('host', { reported: 2 });
  expect(trial.missing).toEqual(['_']);
  trial.hear({ ...report(7), number: 2 } as ProjectReport);
  trial.hear('host', { reported: 2 });
  await until(() => trial.missing.length === 0);
});

it('nothing is said on tables that were put back to an earlier position', async () => {
  trial.engine.listening();
  trial.hear(report(7));
  await trial.until('fresh');
  const said = trial.said.length;
  const { backups } = trial.facts;
  trial.position = 3;
  trial.facts.backups = [];
  const { reads } = trial;
  trial.hear(report(7));
  await until(() => trial.reads > reads + 1);
  expect(trial.said).toHaveLength(said);
  trial.position = 11;
  trial.facts.backups = backups;
  await until(() => trial.said.length > said);
  expect(trial.last).toBe('fresh');
});
