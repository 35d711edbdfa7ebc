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
  readonly facts: ProjectFacts = {
    id: 'atlas',
    hostId: 'host-1',
    generation: 1,
    provisioned: true,
    createdAt: 0,
    outsideChanges: [],
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
        return Promise.resolve({ position: this.position, projects: ids.includes('atlas') ? [this.facts] : [] });
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

  hear(activity: 'host' | ProjectReport, { incarnation = 'first', live = true, agoMs = 0 } = {}): void {
    const about = { hostId: 'host-1', messageId: '', time: '' };
    const message: ReceivedActivity =
      activity === 'host'
        ? { ...about, name: 'host', data: { incarnation } as HostReport }
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
