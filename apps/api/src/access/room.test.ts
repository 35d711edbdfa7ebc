import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { PROJECT_ROLES } from '@buckets/contracts';
import type { Response } from 'express';
import type { Caller } from './caller.js';
import { Room } from './room.js';

const base = { scopes: [], name: 'x' };
const user = (userId: string, id = userId): Caller => ({
  ...{ ...base, id, name: `user/${id}`, kind: 'user' },
  reach: { userId, roles: PROJECT_ROLES },
});
const key = (id: string): Caller => ({ ...base, id, name: `key/${id}`, kind: 'service', reach: 'fleet' });
const admin: Caller = { ...base, id: 'admin', kind: 'admin', reach: 'fleet' };

describe('room', () => {
  let room: Room;
  beforeEach(() => {
    room = new Room('requests', { user: 2, users: 5, fleetCaller: 4, all: 8 });
  });
  const answer = () => Object.assign(new EventEmitter(), { closed: false });
  const take = (caller: Caller, of = answer()) => {
    room.hold(caller, of as unknown as Response);
    return () => of.emit('close');
  };
  const full = { code: 'too-many-at-once', status: 429 };
  const busy = { code: 'too-busy', status: 503 };
  const refusal = (caller: Caller): unknown => {
    try {
      take(caller);
    } catch (error) {
      return error;
    }
    return 'none';
  };

  it('of a user is a share, with whichever of their tokens, until an answer is over', () => {
    const over = take(user('ada'));
    take({ ...user('ada', 'k1'), kind: 'service' });
    expect(refusal(user('ada'))).toMatchObject(full);
    take(user('bob'));
    over();
    take(user('ada'));
    expect(refusal(user('ada'))).toMatchObject(full);
  });

  it('of all users leaves some for those who reach the fleet, and one of these leaves some for others', () => {
    for (const id of ['a', 'a', 'b', 'b', 'c']) take(user(id));
    expect(refusal(user('d'))).toMatchObject(busy);
    for (let n = 0; n < 2; n++) take(key('k1'));
    take(key('k2'));
    expect(refusal(key('k2'))).toMatchObject(busy);
  });

  it('of one token that reaches the fleet is a share', () => {
    for (let n = 0; n < 4; n++) take(key('k1'));
    expect(refusal(key('k1'))).toMatchObject(full);
    take(key('k2'));
  });

  it('is always there for the administrator', () => {
    for (const id of ['k1', 'k2']) for (let n = 0; n < 4; n++) take(key(id));
    expect(refusal(key('k3'))).toMatchObject(busy);
    for (let n = 0; n < 20; n++) take(admin);
  });

  it('is not taken for an answer that is over already', () => {
    for (let n = 0; n < 20; n++) take(user('ada'), Object.assign(new EventEmitter(), { closed: true }));
    take(user('ada'));
  });
});
