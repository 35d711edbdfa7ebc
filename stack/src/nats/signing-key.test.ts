import { createAccount, createUser, fromPublic, fromSeed, Prefix } from '@nats-io/nkeys';
import { expect, it } from '@jest/globals';
import { SigningKey } from './signing-key.js';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

it("is the same key as the NATS library's with the same seed", () => {
  for (const theirs of [createAccount(), createUser()]) {
    const ours = SigningKey.fromSeed(text(theirs.getSeed()));
    expect(ours.getPublicKey()).toBe(theirs.getPublicKey());
    expect(text(ours.getSeed())).toBe(text(theirs.getSeed()));
    const message = new TextEncoder().encode('message');
    expect(Buffer.from(ours.sign(message))).toEqual(Buffer.from(theirs.sign(message)));
    expect(ours.verify(message, theirs.sign(message))).toBe(true);
  }
});

it('makes keys that the NATS library takes', () => {
  const ours = SigningKey.create(Prefix.Operator);
  const message = new TextEncoder().encode('message');
  expect(ours.getPublicKey()).toMatch(/^O/);
  expect(fromPublic(ours.getPublicKey()).verify(message, ours.sign(message))).toBe(true);
  expect(fromSeed(ours.getSeed()).getPublicKey()).toBe(ours.getPublicKey());
});

it('refuses what is not a seed', () => {
  expect(() => SigningKey.fromSeed(createUser().getPublicKey())).toThrow();
});
