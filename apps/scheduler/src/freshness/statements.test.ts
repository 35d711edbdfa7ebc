import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FreshnessState } from '@buckets/contracts';
import { Refused, Unanswered } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import { Statements, type Said, type Statement } from './statements.js';

const said = (freshness: FreshnessState, reason = 'because'): Said => ({ freshness, reason });
const statement = (freshness: FreshnessState, reason = 'because', projectId = 'atlas'): Statement => ({
  projectId,
  generation: 1,
  freshness: said(freshness, reason),
});

/** Answers each statement when the test says so. */
class ControlPlane {
  readonly asked: { statement: Statement; answer: (error?: Error) => void }[] = [];
  outcomes: string[] = [];
  readonly statements = new Statements({
    send: (statement) =>
      new Promise<void>((resolve, reject) => {
        this.asked.push({ statement, answer: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
    atOnce: 2,
    betweenMs: 1_000,
    backoff: new Backoff({ firstMs: 500, maxMs: 30_000, random: () => 1 }),
    log: { warn: () => undefined },
    ended: (outcome) => this.outcomes.push(outcome),
  });

  get reasons(): string[] {
    return this.asked.map(({ statement }) => statement.freshness.reason);
  }

  async answer(error?: Error): Promise<void> {
    this.asked.at(-1)!.answer(error);
    await jest.advanceTimersByTimeAsync(0);
  }
}

let plane: ControlPlane;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  plane = new ControlPlane();
});
afterEach(() => {
  plane.statements.stop();
  jest.useRealTimers();
});

describe('a statement', () => {
  it('is made when it differs from the one in the tables, once', async () => {
    plane.statements.offer(statement('fresh'), said('stale'));
    await plane.answer();
    plane.statements.offer(statement('fresh'), said('stale'));
    expect(plane.asked).toHaveLength(1);
    plane.statements.offer(statement('unknown'), said('unknown'));
    await jest.advanceTimersByTimeAsync(5_000);
    expect(plane.asked).toHaveLength(2);
  });

  it('is not needed where the tables say the same, or nothing of a project that was never backed up', () => {
    plane.statements.offer(statement('fresh'), said('fresh'));
    plane.statements.offer(statement('never'), null);
    expect(plane.asked).toHaveLength(0);
    expect(plane.statements.size).toBe(0);
  });

  it('that is overtaken while another one is under way is never made', async () => {
    plane.statements.offer(statement('stale', 'first'), said('fresh'));
    plane.statements.offer(statement('stale', 'second'), said('fresh'));
    plane.statements.offer(statement('stale', 'third'), said('fresh'));
    await plane.answer();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(plane.reasons).toEqual(['first', 'third']);
  });

  it('waits for a second after the one before', async () => {
    plane.statements.offer(statement('stale', 'first'), said('unknown'));
    await plane.answer();
    plane.statements.offer(statement('stale', 'second'), said('unknown'));
    await jest.advanceTimersByTimeAsync(999);
    expect(plane.reasons).toEqual(['first']);
    await jest.advanceTimersByTimeAsync(1);
    expect(plane.reasons).toEqual(['first', 'second']);
  });

  it('that protection is lost or regained waits for nothing', async () => {
    plane.statements.offer(statement('fresh', 'first'), said('unknown'));
    await plane.answer();
    plane.statements.offer(statement('stale', 'second'), said('unknown'));
    await plane.answer();
    plane.statements.offer(statement('fresh', 'third'), said('fresh'));
    expect(plane.reasons).toEqual(['first', 'second', 'third']);
  });

  it('that waits is dropped when things stand as stated again', async () => {
    plane.statements.offer(statement('stale', 'first'), said('unknown'));
    await plane.answer();
    plane.statements.offer(statement('unknown', 'second'), said('unknown'));
    plane.statements.offer(statement('stale', 'first'), said('unknown'));
    await jest.advanceTimersByTimeAsync(10_000);
    expect(plane.reasons).toEqual(['first']);
  });
});

describe('a statement that is not taken', () => {
  it('is made again, later each time, and not for ever', async () => {
    plane.statements.offer(statement('stale'), said('fresh'));
    await plane.answer(new Unanswered('buckets.command.state-freshness', undefined));
    await jest.advanceTimersByTimeAsync(499);
    expect(plane.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(plane.asked).toHaveLength(2);
    for (let attempt = 0; attempt < 20; attempt++) {
      await plane.answer(new Unanswered('buckets.command.state-freshness', undefined));
      await jest.advanceTimersByTimeAsync(30_000);
    }
    expect(plane.asked).toHaveLength(10);
    expect(plane.statements.size).toBe(0);
  });

  it('keeps being wanted when it is offered once more while it is under way', async () => {
    plane.statements.offer(statement('stale'), said('fresh'));
    plane.statements.offer(statement('stale'), said('fresh'));
    await plane.answer(new Unanswered('buckets.command.state-freshness', undefined));
    await jest.advanceTimersByTimeAsync(500);
    expect(plane.asked).toHaveLength(2);
  });

  it('for good is given up', async () => {
    plane.statements.offer(statement('stale'), said('fresh'));
    await plane.answer(new Refused({ code: 'generation-moved', detail: 'It moved.', retry: false }));
    await jest.advanceTimersByTimeAsync(60_000);
    expect(plane.asked).toHaveLength(1);
    expect(plane.outcomes).toEqual(['refused']);
  });
});

describe('what is not stated', () => {
  const news = (since: number) => ({ hostId: 'eu-1', since });
  it('is told with since when, until it was taken', async () => {
    expect(plane.statements.unstated).toEqual([]);
    plane.statements.offer(statement('stale', 'first'), said('fresh'), news(100));
    plane.statements.offer(statement('stale', 'second'), said('fresh'), news(200));
    expect(plane.statements.unstated).toEqual([{ projectId: 'atlas', hostId: 'eu-1', since: 100 }]);
    await plane.answer();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(plane.statements.unstated).toHaveLength(1);
    await plane.answer();
    expect(plane.statements.unstated).toEqual([]);
    plane.statements.offer(statement('fresh', 'third'), said('stale'), news(300));
    expect(plane.statements.unstated).toMatchObject([{ since: 300 }]);
  });

  it('stays so when it was refused for good, until somebody looks again', async () => {
    plane.statements.offer(statement('stale'), said('fresh'), news(100));
    await plane.answer(new Refused({ code: 'generation-moved', detail: 'It moved.', retry: false }));
    await jest.advanceTimersByTimeAsync(60_000);
    expect(plane.statements.unstated).toMatchObject([{ since: 100 }]);
    plane.statements.offer(statement('stale'), said('stale'), news(200));
    expect(plane.statements.unstated).toEqual([]);
  });
});

it('only so many statements are under way at once, and the others follow', async () => {
  for (const project of ['a', 'b', 'c', 'd']) {
    plane.statements.offer(statement('stale', `of ${project}`, project), said('fresh'));
  }
  expect(plane.reasons).toEqual(['of a', 'of b']);
  await plane.answer();
  expect(plane.reasons).toEqual(['of a', 'of b', 'of c']);
  await plane.answer();
  expect(plane.reasons).toEqual(['of a', 'of b', 'of c', 'of d']);
});
