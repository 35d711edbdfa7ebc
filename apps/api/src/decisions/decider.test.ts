import { beforeEach, describe, expect, it } from '@jest/globals';
import type { LoggedEvent, NewEvent } from '@buckets/contracts';
import { PositionMoved, ProjectionBehind } from '@buckets/log';
import { Decider } from './decider.js';
import { Rejection } from '../problems/rejection.js';
import { evolveThing, type FixtureState } from '../state/thing-state.js';

type Event = NewEvent<'api-key'>;

const KEY = { requestedBy: 'admin', name: 'CI', tokenHash: 'a'.repeat(64), scopes: [] };
const created: Event = { thing: 'api-key', type: 'created', data: KEY };
const revoked: Event = { thing: 'api-key', type: 'revoked', data: { requestedBy: 'admin' } };
/** A position that a host has made up. */
const NEVER = 2 ** 50;
const HOSTS = { readsTables: false, readable: false };

/** The log of one API key, to which two copies of the API append; the tables show all of it, when they are waited for. */
describe('a decision', () => {
  let log: LoggedEvent[];
  let tables: { state: object | null; position: number };
  let here: Decider;
  let elsewhere: Decider;
  let waits: number;
  let never: PromiseWithResolvers<void>;
  /** What a crash of Postgres does between the wait and the read. */
  let crash: () => void;

  beforeEach(() => {
    log = [];
    tables = { state: null, position: 0 };
    waits = 0;
    never = Promise.withResolvers();
    crash = () => undefined;
    [here, elsewhere] = [copy(), copy()];
  });

  function copy(): Decider {
    const append = ({ expected, events }: { expected: number; events: readonly NewEvent[] }) => {
      if (expected !== log.length) return Promise.reject(new PositionMoved('api-key', 'k1', expected));
      const logged = events.map((event, index) => ({ ...event, id: 'k1', position: expected + index + 1 }));
      log.push(...(logged as LoggedEvent[]));
      return Promise.resolve(logged);
    };
    const waitFor = (position: number) => {
      waits++;
      if (position === NEVER) return never.promise;
      tables = { state: log.reduce(evolveThing, null as object | null), position: log.length };
      crash();
      return Promise.resolve();
    };
    const row = () => (tables.position === 0 ? null : { ...tables, thing: 'api-key', id: 'k1' });
    return new Decider(
      { append } as never,
      { streams: { getMessage: () => Promise.resolve(log.length === 0 ? null : { seq: log.length }) } } as never,
      { getRepository: () => ({ findOneBy: () => Promise.resolve(row()) }) } as never,
      { waitFor, name: 'tables' } as never,
    );
  }
  const decide = (by: Decider, say: (state: FixtureState | null) => Event[]) =>
    by.decide('api-key', 'k1', (state) => ({ events: say(state) }), HOSTS);
  const revokeOnce = (state: FixtureState | null) => (state?.revoked ? [] : [revoked]);
  const types = () => log.map(({ type }) => type);

  it('does not wait for the tables where this copy made the last event', async () => {
    await decide(here, () => [created]);
    const before = waits;
    await decide(here, revokeOnce);
    expect(await decide(here, revokeOnce)).toMatchObject({ logged: [], position: 2 });
    expect(types()).toEqual(['created', 'revoked']);
    expect(waits).toBe(before);
  });

  it('that is to wait for a position which never comes keeps no other waiting', async () => {
    const waiting = here.decide('api-key', 'k1', () => ({ events: [revoked] }), { ...HOSTS, after: NEVER });
    await decide(here, () => [created]);
    expect(types()).toEqual(['created']);
    never.reject(new ProjectionBehind('tables', NEVER, 1));
    await expect(waiting).rejects.toThrow(ProjectionBehind);
    expect(types()).toEqual(['created']);
  });

  it('is not made on what has moved on since whoever asks has seen it', async () => {
    const asOf = (by: Decider, position: number) =>
      by.decide('api-key', 'k1', () => ({ events: [revoked] }), { ...HOSTS, asOf: position });
    await decide(here, () => [created]);
    await expect(asOf(here, 0)).rejects.toMatchObject({ code: 'moved-on', status: 503 });
    await decide(elsewhere, revokeOnce);
    // Also where this copy has not heard of it yet.
    await expect(asOf(here, 1)).rejects.toMatchObject({ code: 'moved-on' });
    expect(types()).toEqual(['created', 'revoked']);
    await asOf(here, 2);
    expect(types()).toEqual(['created', 'revoked', 'revoked']);
  });

  it('is made again on what another copy has appended since', async () => {
    await decide(here, () => [created]);
    await decide(elsewhere, revokeOnce);
    expect(await decide(here, revokeOnce)).toMatchObject({ logged: [], position: 2 });
    expect(types()).toEqual(['created', 'revoked']);
  });

  it('that nothing follows, or that is refused, is never found on a state that lacks what another copy has appended', async () => {
    await decide(here, () => [created]);
    await decide(elsewhere, revokeOnce);
    const seen: (boolean | undefined)[] = [];
    await decide(here, (state) => (seen.push(state?.revoked), []));
    expect(seen).toEqual([undefined, true]);

    await decide(elsewhere, () => [revoked]);
    const refuse = () => {
      seen.push(true);
      throw new Rejection('no', 'It cannot be done as things stand.', 409);
    };
    await decide(here, () => [revoked]);
    await decide(elsewhere, () => [revoked]);
    seen.length = 0;
    await expect(decide(here, refuse)).rejects.toMatchObject({ code: 'no' });
    expect(seen).toHaveLength(2);
  });

  it('is never made on tables that lack what was appended, whatever they have shown before', async () => {
    await decide(here, () => [created]);
    await decide(here, () => [revoked]);
    crash = () => (tables = { state: evolveThing(null, log[0]!), position: 1 });
    await expect(decide(elsewhere, revokeOnce)).rejects.toThrow(ProjectionBehind);
    await expect(elsewhere.currentStateOf('api-key', 'k1')).rejects.toThrow(ProjectionBehind);
    crash = () => undefined;
    expect(await decide(elsewhere, revokeOnce)).toMatchObject({ logged: [], position: 2 });
  });
});
