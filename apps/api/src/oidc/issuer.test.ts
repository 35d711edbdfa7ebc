import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JWTPayload } from 'jose';
import { Issuer, type IssuerSettings } from './issuer.js';
import { AUDIENCE, IDS_KEY, newKey, TrialIssuer } from './testing/trial-issuer.js';
import { looksLikeUserId } from './user-ids.js';

let trial: TrialIssuer;
let issuer: Issuer;
const warnings: object[] = [];
const log = { warn: (about: object) => void warnings.push(about) };

const settings = (): IssuerSettings => ({
  ...{ issuer: trial.url, audience: AUDIENCE, keysUrl: trial.keysUrl, idsKey: IDS_KEY },
  ...{ algorithms: ['RS256', 'ES256'], userClaim: 'sub', rolesClaim: 'realm.roles', maxAgeMs: 86_400_000 },
});
beforeEach(async () => {
  trial = await TrialIssuer.start();
  issuer = new Issuer(settings(), log as never);
});
afterEach(() => trial.stop());

const now = () => Math.floor(Date.now() / 1000);
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token of the issuer', () => {
  it('says who its bearer is, under an id from which nobody can tell', async () => {
    const token = await trial.token('ada@example.org', { name: 'Ada', realm: { roles: ['operator', 7] } });
    const person = await issuer.person(token);
    expect(person).toEqual({
      id: expect.stringMatching(/^u-[0-9a-f]{40}$/),
      roles: ['operator'],
      expiresAt: expect.any(Number),
    });
    expect(issuer.userId('ada@example.org')).toBe(person.id);
    expect(issuer.userIds.knows(person.id)).toBe(true);
    expect(issuer.userId('bob')).not.toBe(person.id);
    const otherKey = new Issuer({ ...settings(), idsKey: Buffer.alloc(32, 8).toString('base64') }, log as never);
    expect(otherKey.userId('ada@example.org')).not.toBe(person.id);
    expect(otherKey.userIds.knows(person.id)).toBe(false);
  });

  it('may name roles in words with blanks between them, or none', async () => {
    const flat = new Issuer({ ...settings(), rolesClaim: 'https://x.example/roles' }, log as never);
    expect((await flat.person(await trial.token('a', { 'https://x.example/roles': 'one  two' }))).roles).toEqual([
      'one',
      'two',
    ]);
    expect((await flat.person(await trial.token('a'))).roles).toEqual([]);
  });

  it('ends when it says, and no later than a token may last', async () => {
    const ends = async (claims: JWTPayload) => (await issuer.person(await trial.token('ada', claims))).expiresAt;
    const iat = now() - 60;
    expect(await ends({ iat, exp: iat + 3_600 })).toBe((iat + 3_600) * 1000);
    for (const exp of [iat + 100_000, 8.65e12, Number.MAX_SAFE_INTEGER]) {
      expect(await ends({ iat, exp })).toBe(iat * 1000 + 86_400_000);
    }
  });

  const hour = 3_600;
  it.each<[string, JWTPayload, string]>([
    ['that has expired', { iat: now() - 2 * hour, exp: now() - 60 }, 'expired'],
    ['that was made too long ago', { iat: now() - 25 * hour }, 'expired'],
    ['that holds later', { nbf: now() + 300 }, 'not-yet'],
    ['that was made in the future', { iat: now() + 300, exp: now() + 2 * hour }, 'not-yet'],
    ['that never ends', { exp: undefined }, 'claims'],
    ['that does not say when it was made', { iat: undefined }, 'claims'],
    ['of another issuer', { iss: 'https://id.example' }, 'issuer'],
    ['of no issuer', { iss: undefined }, 'issuer'],
    ['for somebody else', { aud: 'another' }, 'audience'],
    ['for nobody', { aud: undefined }, 'audience'],
    ['of nobody', { sub: undefined }, 'claims'],
    ['of an empty name', { sub: '' }, 'claims'],
    ['of a name that is too long', { sub: 'x'.repeat(256) }, 'claims'],
    ['of a name that is no text', { sub: 5 as never }, 'claims'],
  ])('%s is refused', async (_, claims, fault) => {
    await expect(issuer.person(await trial.token('ada', claims))).rejects.toMatchObject({ fault });
  });

  it('that is not signed by the issuer is refused', async () => {
    const good = await trial.token('ada');
    const [head, body, signature] = good.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
    const publicPem = JSON.stringify(trial.key.publicJwk);
    const hs256 = `${part({ alg: 'HS256', kid: 'first' })}.${body}`;
    const none = part({ alg: 'none' });
    const forged: [string, string][] = [
      [`${head}.${body}.`, 'signature'],
      [`${head}.${part({ ...claims, sub: 'bob' })}.${signature}`, 'signature'],
      [`${none}.${body}.`, 'algorithm'],
      [`${none}.${body}.${signature}`, 'algorithm'],
      [`${hs256}.${createHmac('sha256', publicPem).update(hs256).digest('base64url')}`, 'algorithm'],
      [await trial.token('ada', {}, await newKey('first')), 'signature'],
      [await trial.token('ada', {}, await newKey('first', 'PS256')), 'algorithm'],
      [`${part({ alg: 'ES256', kid: 'first', crit: ['later'], later: 1 })}.${body}.${signature}`, 'malformed'],
      [`${head}.${Buffer.from('no json').toString('base64url')}.${signature}`, 'signature'],
      [`x.${body}.${signature}`, 'malformed'],
      [`${head}.${body}`, 'malformed'],
    ];
    for (const [token, fault] of forged) {
      await expect(issuer.person(token)).rejects.toMatchObject({ fault });
    }
    await expect(issuer.person(good)).resolves.toMatchObject({ id: issuer.userId('ada') });
  });
});

describe('the keys of the issuer', () => {
  let clock: number;
  beforeEach(() => {
    clock = 1_000_000;
    issuer = new Issuer(settings(), log as never, () => clock);
  });
  const MINUTE = 60_000;

  it('are asked for once, whoever comes', async () => {
    const token = await trial.token('ada');
    await Promise.all([1, 2, 3].map(() => issuer.person(token)));
    await issuer.person(token);
    expect(trial.asked).toBe(1);
  });

  it('that are new are found, but are not asked for all the time', async () => {
    await issuer.person(await trial.token('ada'));
    const stranger = await trial.token('ada', {}, await newKey('unknown'));
    await expect(issuer.person(stranger)).rejects.toMatchObject({ fault: 'unknown-key' });
    expect(trial.asked).toBe(1);
    const second = await trial.addKey('second');
    clock += MINUTE;
    await expect(issuer.person(await trial.token('ada', {}, second))).resolves.toBeDefined();
    for (let n = 0; n < 5; n++) await expect(issuer.person(stranger)).rejects.toMatchObject({ fault: 'unknown-key' });
    expect(trial.asked).toBe(2);
  });

  it.each(['fails', 'no-json', 'endless', 'no-set', 'no-keys', 'no-key', 'weak-keys'] as const)(
    'go on while they cannot be fetched (%s), and nobody else comes in',
    async (trouble) => {
      const known = await trial.token('ada');
      await issuer.person(known);
      const second = await trial.token('ada', {}, await trial.addKey('second'));
      trial.trouble = trouble;
      clock += 10 * MINUTE;
      await expect(issuer.person(known)).resolves.toBeDefined();
      await expect(issuer.person(second)).rejects.toThrow('cannot be fetched');
      await expect(issuer.person(second)).rejects.toThrow('cannot be fetched');
      expect(trial.asked).toBe(2);
      expect(warnings.length).toBeGreaterThan(0);
      trial.trouble = 'none';
      clock += MINUTE;
      await expect(issuer.person(second)).resolves.toBeDefined();
    },
  );

  it('that were never fetched let nobody in, nor do those that were fetched too long ago', async () => {
    const token = await trial.token('ada');
    trial.trouble = 'fails';
    await expect(issuer.person(token)).rejects.toThrow('cannot be fetched');
    trial.trouble = 'none';
    clock += MINUTE;
    await issuer.person(token);
    trial.trouble = 'fails';
    clock += 25 * 60 * MINUTE;
    await expect(issuer.person(token)).rejects.toThrow('cannot be fetched');
  });
});

it('an issuer is set up so that nobody can come in between', () => {
  expect(() => new Issuer({ ...settings(), keysUrl: 'http://id.example/jwks' }, log as never)).toThrow('https://');
  expect(() => new Issuer({ ...settings(), idsKey: 'c2hvcnQ=' }, log as never)).toThrow('5 bytes');
});

it('an id that was not given out is known as such', () => {
  const id = issuer.userId('ada');
  const { userIds } = issuer;
  const last = id.endsWith('0') ? '1' : '0';
  for (const other of [`${id.slice(0, -1)}${last}`, id.slice(0, -1), `${id}0`, 'ada', '', id.toUpperCase()]) {
    expect(userIds.knows(other)).toBe(false);
  }
  expect(userIds.knows(id)).toBe(true);
});

it('what is easily taken for the id of a person is no word of the platform', () => {
  const looks = [issuer.userId('ada').toUpperCase(), 'U-1', 'u-1', 'unit-1'].map(looksLikeUserId);
  expect(looks).toEqual([true, true, true, false]);
});
