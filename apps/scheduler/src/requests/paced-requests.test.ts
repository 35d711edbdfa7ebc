import { describe, expect, it } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import { ASKED_PAUSE_MS, FAILED_PAUSE_MS, MAX_PAUSES, PacedRequests, type PacedRequest } from './paced-requests.js';

const REFUSED_PAUSE_MS = 600_000;
type Command = { projectId: string };

const refusal = (code: string, retry = false) => new Refused({ code, detail: 'No.', retry });

function requestsThat(answer: (projectId: string) => Error | undefined = () => undefined) {
  const asked: string[] = [];
  const outcomes: string[] = [];
  const warnings: unknown[] = [];
  const control = { position: 10, now: 0 };
  const requests = new PacedRequests<Command>({
    position: () => Promise.resolve(control.position),
    request: ({ projectId }) => {
      asked.push(projectId);
      const error = answer(projectId);
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    },
    clock: { now: () => control.now },
    log: { warn: (...said: unknown[]) => void warnings.push(said[0]) },
    ended: (outcome) => outcomes.push(outcome),
    failed: 'It could not be asked for',
    refusedPauseMs: REFUSED_PAUSE_MS,
    expected: 'expected',
  });
  return { requests, asked, outcomes, warnings, control };
}
const all = (...ids: string[]): PacedRequest<Command>[] => ids.map((id) => ({ key: id, command: { projectId: id } }));
const many = (count: number) => all(...Array.from({ length: count }, (_, index) => `p-${index}`));

it('follow from tables that are as far as they were', async () => {
  const { requests, control } = requestsThat();
  const answers: boolean[] = [];
  for (const position of [10, 9, 10, 11, 10]) {
    control.position = position;
    answers.push(await requests.mayFollow());
  }
  expect(answers).toEqual([true, false, true, true, false]);
});

describe('a request', () => {
  it.each([
    ['was accepted', undefined, 'requested', ASKED_PAUSE_MS],
    ['was refused', refusal('no'), 'refused', REFUSED_PAUSE_MS],
    ['may go well later', refusal('busy', true), 'failed', FAILED_PAUSE_MS],
    ['was not answered', new Unanswered('s', null), 'failed', FAILED_PAUSE_MS],
  ])('that %s is counted, and made again after its pause', async (_, error, outcome, pauseMs) => {
    const { requests, outcomes, warnings, control } = requestsThat(() => error);
    await requests.ask(all('a')[0]!);
    expect(outcomes).toEqual([outcome]);
    expect(warnings).toEqual(error === undefined ? [] : [{ error, projectId: 'a' }]);
    control.now = pauseMs - 1;
    expect([requests.isPaused('a'), requests.paused]).toEqual([true, ['a']]);
    control.now = pauseMs;
    expect([requests.isPaused('a'), requests.paused]).toEqual([false, []]);
  });

  it('that fails again and again is made less and less often, until it goes well', async () => {
    let error: Error | undefined = new Unanswered('s', null);
    const { requests, control } = requestsThat(() => error);
    const pauses: number[] = [];
    const pauseAfterOne = async (): Promise<void> => {
      await requests.mayFollow();
      await requests.ask(all('a')[0]!);
      const from = control.now;
      while (requests.isPaused('a')) control.now += 5_000;
      pauses.push((control.now - from) / FAILED_PAUSE_MS);
    };
    for (let time = 0; time < 8; time++) await pauseAfterOne();
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 40, 40]);
    error = undefined;
    await pauseAfterOne();
    error = new Unanswered('s', null);
    await pauseAfterOne();
    expect(pauses.slice(8)).toEqual([4, 1]);
  });

  it('whose refusal is expected is neither counted nor warned of, and made again after its pause', async () => {
    const { requests, outcomes, warnings, control } = requestsThat(() => refusal('expected'));
    await requests.ask(all('a')[0]!);
    control.now = REFUSED_PAUSE_MS - 1;
    expect([requests.isPaused('a'), outcomes, warnings]).toEqual([true, [], []]);
    control.now = REFUSED_PAUSE_MS;
    expect(requests.isPaused('a')).toBe(false);
  });

  it('that was refused is known by the code, as long as that holds', async () => {
    const { requests, control } = requestsThat((id) => (id === 'a' ? refusal('no') : undefined));
    for (const one of all('a', 'b')) await requests.ask(one);
    expect(['a', 'b', 'c'].map((key) => requests.refusalOf(key))).toEqual(['no', undefined, undefined]);
    control.now = REFUSED_PAUSE_MS;
    expect(requests.refusalOf('a')).toBeUndefined();
  });
});

describe('of many that are wanted', () => {
  it('so many are asked for that are accepted, whatever is paused or refused before them', async () => {
    const { requests, asked } = requestsThat((id) => (id < 'c' ? refusal('no') : undefined));
    const wanted = all('a', 'b', 'c', 'd', 'e', 'f');
    await requests.askForSome(wanted, 2);
    expect(asked).toEqual(['a', 'b', 'c', 'd']);
    await requests.askForSome(wanted, 2);
    expect(asked.slice(4)).toEqual(['e', 'f']);
  });

  it('few are asked for when all are refused, or nobody answers', async () => {
    const refused = requestsThat(() => refusal('no'));
    await refused.requests.askForSome(many(100), 2);
    expect(refused.asked).toHaveLength(10);
    const unanswered = requestsThat(() => new Unanswered('s', null));
    await unanswered.requests.askForSome(many(100), 2);
    expect(unanswered.asked).toHaveLength(2);
  });
});

it('remember so many pauses at most', async () => {
  const { requests } = requestsThat();
  for (const one of many(MAX_PAUSES + 2)) await requests.ask(one);
  expect(requests.paused).toHaveLength(MAX_PAUSES);
  expect(['p-0', 'p-1', 'p-2'].map((key) => requests.isPaused(key))).toEqual([false, false, true]);
});
