import { beforeEach, describe, expect, it } from '@jest/globals';
import { NO_HOST, UnreadableMessage, writeConfirmation, type FreshnessConfirmation } from '@buckets/contracts';
import { JetStreamApiError } from '@nats-io/jetstream';
import { ConfirmedFreshness, type FreshnessColumns } from './confirmed-freshness.js';

const LIMIT_MS = 60_000;
const row: FreshnessColumns = {
  id: 'atlas',
  host_id: 'eu-1',
  freshness: 'fresh',
  freshness_reason: 'A backup holds everything.',
  stale_since: null,
  covered_by: 'b1',
  freshness_at: '2021-05-06T12:00:00.000Z',
  created_at: '2021-05-06T11:00:00.000Z',
  unwatched: false,
  cover_lost: null,
};

let projector: { position: number };
let freshness: ConfirmedFreshness;
beforeEach(() => {
  projector = { position: 100 };
  freshness = new ConfirmedFreshness({ projector, limitMs: LIMIT_MS, log: { warn: () => undefined } });
  freshness.listening();
});

function hear(hostId: string, more: Partial<FreshnessConfirmation> = {}, ageMs = 0, live = true): void {
  const data = { position: 100, agoMs: 0, unstated: [], ...more };
  const { subject, bytes } = writeConfirmation({ hostId, data }, 'buckets/scheduler');
  freshness.hear({ subject, data: bytes, keptAt: new Date(), ageMs, live });
}
function hearAll(more: Partial<FreshnessConfirmation> = {}, ageMs = 0): void {
  for (const hostId of [NO_HOST, 'eu-1']) hear(hostId, more, ageMs);
}
const shown = (more: Partial<FreshnessColumns> = {}) => freshness.view()({ ...row, ...more });
const agoOf = (moment?: string) => Date.now() - Date.parse(moment!);

describe('the freshness of a project', () => {
  it('is not shown by what a stream has kept: its age is the word of a clock that may have been set back', () => {
    for (const hostId of [NO_HOST, 'eu-1']) hear(hostId, {}, 0, false);
    expect(shown().freshness).toBe('unknown');
  });

  it('is shown as it was stated while that is confirmed, with since when', () => {
    hearAll({ agoMs: 20_000 });
    const { confirmedAt, ...rest } = shown();
    expect(rest).toEqual({
      freshness: 'fresh',
      reason: 'A backup holds everything.',
      coveredBy: 'b1',
      statedAt: row.freshness_at,
    });
    expect(agoOf(confirmedAt)).toBeGreaterThanOrEqual(20_000);
    expect(agoOf(confirmedAt)).toBeLessThan(40_000);
  });

  it('is never said to be confirmed earlier than before', () => {
    hearAll({ agoMs: 2_000 });
    const first = shown().confirmedAt;
    expect(shown().confirmedAt).toBe(first);
    hearAll({ agoMs: 2_900 });
    expect(shown().confirmedAt).toBe(first);
  });

  it.each<[string, Partial<FreshnessColumns>]>([
    ['it was stated', { freshness_at: new Date(Date.now() - 10_000).toISOString() }],
    [
      'its project was made',
      { freshness: 'never', freshness_at: null, created_at: new Date(Date.now() - 10_000).toISOString() },
    ],
  ])('is not said to be confirmed before %s, but is once it was', (_, more) => {
    hearAll({ agoMs: 20_000 });
    expect(shown(more)).toMatchObject({ freshness: more.freshness ?? 'fresh' });
    expect(shown(more)).not.toHaveProperty('confirmedAt');
    hearAll();
    expect(shown(more).confirmedAt).toBeDefined();
  });

  it.each<[string, unknown, RegExp]>([
    ['does not answer', Object.assign(new Error('timeout'), { name: 'TimeoutError' }), /NATS is away/],
    [
      'is there, and the stream is not',
      new JetStreamApiError({ code: 404, err_code: 10059, description: 'stream not found' }),
      /lost the stream/,
    ],
    ['is there, and reading fails', new Error('A message was lost.'), /cannot be read from NATS/],
  ])('when nobody is heard says so without blaming NATS where it %s', (_, why, reason) => {
    hearAll({}, LIMIT_MS + 1);
    freshness.deaf(why);
    const { reason: shownReason } = shown();
    expect(shownReason).toMatch(reason);
    expect(/NATS is away/.test(shownReason)).toBe(reason.source === 'NATS is away');
  });

  it.each([
    ['damaged', { cover_lost: 'damaged' }, /held everything is damaged/],
    ['deleted, perhaps', { cover_lost: 'in-doubt' }, /deletion may have removed/],
  ] as const)('is not what was stated once the backup that it rests on is %s', (_, known, reason) => {
    hearAll();
    expect(shown()).toMatchObject({ freshness: 'fresh', coveredBy: 'b1' });
    const { coveredBy, ...view } = shown(known);
    expect(view).toMatchObject({ freshness: 'unknown', reason: expect.stringMatching(reason) });
    expect(coveredBy).toBeUndefined();
  });

  it.each([
    ['the API has just begun to listen', () => undefined, /begun to listen a moment ago/],
    ['the scheduler is silent', () => hearAll({ agoMs: 0 }, LIMIT_MS + 1), /scheduler is silent/],
    ['its host is', () => (hear(NO_HOST), hear('eu-1', { agoMs: LIMIT_MS + 1 })), /host is silent/],
    ['another host is heard only', () => (hear(NO_HOST), hear('us-1')), /host is silent/],
    [
      'the API hears nobody',
      () => (hearAll({}, LIMIT_MS + 1), freshness.deaf(new Error('lost'))),
      /does not hear the scheduler/,
    ],
    ['the tables lag behind', () => hearAll({ position: 101 }), /not caught up/],
    [
      'it could not be stated',
      () => (hear(NO_HOST), hear('eu-1', { unstated: [{ projectId: 'atlas', ms: LIMIT_MS + 1 }] })),
      /could not state/,
    ],
    [
      'nobody knows since when it could not be stated',
      () => (hear(NO_HOST), hear('eu-1', { unstated: [{ projectId: 'atlas' }] })),
      /could not state/,
    ],
    ['it was confirmed before all time', () => hearAll({ agoMs: Number.MAX_SAFE_INTEGER }), /scheduler is silent/],
  ])('is unknown when %s', (_, happen, reason) => {
    happen();
    expect(shown()).toMatchObject({ freshness: 'unknown', reason: expect.stringMatching(reason) });
    expect(shown()).not.toHaveProperty('coveredBy');
  });

  it('is confirmed for other projects of the host when one cannot be stated', () => {
    hear(NO_HOST);
    hear('eu-1', { unstated: [{ projectId: 'other', ms: LIMIT_MS + 1 }] });
    expect(shown().freshness).toBe('fresh');
    expect(shown({ id: 'other' }).freshness).toBe('unknown');
  });

  it('is fresh as of the oldest look where nobody watches', () => {
    hearAll({ lookedMs: 300_000 });
    const { asOf, watched } = shown({ unwatched: true });
    expect(watched).toBe(false);
    expect(agoOf(asOf)).toBeGreaterThanOrEqual(300_000);
    hearAll();
    expect(shown({ unwatched: true }).freshness).toBe('unknown');
  });

  it('by an older confirmation stays, when the newer one speaks of what the tables do not show yet', () => {
    hearAll({ agoMs: 30_000 });
    for (const position of [110, 120, 130]) hearAll({ position });
    expect(agoOf(shown().confirmedAt)).toBeGreaterThanOrEqual(30_000);
    projector.position = 115;
    expect(agoOf(shown().confirmedAt)).toBeLessThan(20_000);
  });

  it('is confirmed again after the log was put back to an earlier position', () => {
    for (const position of [900, 910, 920]) hearAll({ position });
    expect(shown().freshness).toBe('unknown');
    hearAll({ position: 90 });
    expect(shown().freshness).toBe('fresh');
  });

  it('is not confirmed less by a scheduler that knows less', () => {
    hearAll({ agoMs: 1_000 });
    hearAll({ agoMs: 10 * LIMIT_MS });
    expect(shown().freshness).toBe('fresh');
  });

  it('is not read by what was confirmed for rows that are newer than it', () => {
    const before = freshness.view();
    projector.position = 200;
    hearAll({ position: 200 });
    expect(before(row).freshness).toBe('unknown');
    expect(freshness.view()(row).freshness).toBe('fresh');
  });
});

it('what cannot be read is left out, and what is not confirmed is warned of', () => {
  expect(freshness.warning()).toMatch(/not confirmed.*begun to listen a moment ago/);
  const message = { subject: 'buckets.confirmation._', keptAt: new Date(), ageMs: 0, live: true };
  expect(() => freshness.hear({ ...message, data: Buffer.from('{}') })).toThrow(UnreadableMessage);
  expect(freshness.warning()).not.toBeNull();
  hear(NO_HOST);
  expect(freshness.warning()).toBeNull();
});
