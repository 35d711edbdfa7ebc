import { describe, expect, it } from '@jest/globals';
import { writeActivity } from '@buckets/contracts';
import { HostSigns, idlenessInWords, UNHEARD } from './host-signs.js';

const LIMIT_MS = 30_000;
const SEEN = new Date('2031-05-06T12:00:00.000Z');
const sign = { seenAt: SEEN, clockSkewMs: 0 };

describe('why nothing is done on a host', () => {
  it('is its silence, with since when, and else its data root', () => {
    expect(idlenessInWords({ ...sign, isSilent: false })).toBeNull();
    const rootless = { ...sign, dataRoot: 'missing' };
    expect(idlenessInWords({ ...rootless, isSilent: false })).toMatch(/^Its data root is not there/);
    expect(idlenessInWords({ ...rootless, isSilent: true })).toMatch(
      /^It has been silent since 2031-05-06T12:00:00\.000Z:/,
    );
  });

  it('is that it was never heard, and is not said where nobody knows', () => {
    expect(idlenessInWords(UNHEARD)).toMatch(/^It has never been heard: start its worker/);
    expect(idlenessInWords(undefined)).toBeNull();
  });
});

/** The stream of what hosts tell, on a server whose clock is off by so much. */
function stream({
  keptAgoMs,
  madeAgoMs = 3_600_000,
  offMs = 0,
}: {
  keptAgoMs?: number;
  madeAgoMs?: number;
  offMs?: number;
}) {
  const at = (agoMs: number): Date => new Date(Date.now() + offMs - agoMs);
  const report = { at: 0, version: '1', incarnation: 'i', projects: 0, runningOperations: 0, freeBytes: 0 };
  const { subject, bytes: data } = writeActivity({ name: 'host', hostId: 'eu-1', data: report }, 'test');
  return {
    getMessage: () => Promise.resolve(keptAgoMs === undefined ? null : { subject, data, time: at(keptAgoMs) }),
    info: () => Promise.resolve({ created: at(madeAgoMs).toISOString(), ts: at(0).toISOString() }),
  };
}
const signIn = (streams: object) =>
  new HostSigns({ streams } as never, { debug: () => undefined } as never, LIMIT_MS).of('eu-1');

describe('a host', () => {
  it('is silent once it has been for longer than the limit', async () => {
    expect(await signIn(stream({ keptAgoMs: LIMIT_MS / 2 }))).toMatchObject({ isSilent: false });
    expect(await signIn(stream({ keptAgoMs: 2 * LIMIT_MS }))).toMatchObject({ isSilent: true });
  });

  it('is not silent because the clock of NATS is behind', async () => {
    expect(await signIn(stream({ keptAgoMs: 0, offMs: -10 * LIMIT_MS }))).toMatchObject({ isSilent: false });
  });

  it('was never heard where nothing of it is kept, unless nobody has listened for long enough', async () => {
    expect(await signIn(stream({}))).toBe(UNHEARD);
    expect(await signIn(stream({ madeAgoMs: 0 }))).toBeUndefined();
  });

  it('is not silent because NATS does not answer', async () => {
    expect(await signIn({ getMessage: () => Promise.reject(new Error('timeout')) })).toBeUndefined();
  });
});
