import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { encode, envelope, UnreadableMessage } from './envelope.js';
import type { EventThing } from './events.js';
import { EVENT_CLASSES, eventClass, eventTypeName, readEvent } from './registry.js';
import { EVENT_EXAMPLES } from './testing/examples.js';
import { THINGS } from './vocabulary.js';

const every = (Object.keys(EVENT_EXAMPLES) as EventThing[]).flatMap((thing) =>
  Object.entries(EVENT_EXAMPLES[thing]).map(([type, data]) => [thing, type, data as object] as const),
);

function written(thing: string, type: string, data: unknown, about = `${thing}/x`): Uint8Array {
  return encode(envelope({ source: 'buckets/api', type: eventTypeName(thing, type), subject: about }, data));
}

describe('the registry of events', () => {
  it('has a class for every type of every thing, and no others', () => {
    const known = Object.entries(EVENT_CLASSES).flatMap(([thing, types]) =>
      Object.keys(types).map((type) => `${thing} ${type}`),
    );
    expect(known.toSorted()).toEqual(every.map(([thing, type]) => `${thing} ${type}`).toSorted());
    expect(Object.keys(EVENT_CLASSES).toSorted()).toEqual([...THINGS].toSorted());
  });

  it.each(every)('reads %s %s as it was written', (thing, type, data) => {
    expect(readEvent(`buckets.event.${thing}.x.${type}`, written(thing, type, data), 7)).toEqual({
      thing,
      type,
      id: 'x',
      position: 7,
      messageId: expect.stringMatching(/^[0-9a-f]{32}$/),
      time: expect.any(String),
      data,
    });
  });

  it.each(every)('refuses %s %s when a field is null, or an object where none belongs', (thing, type, data) => {
    const subject = `buckets.event.${thing}.x.${type}`;
    for (const field of Object.keys(data)) {
      const noneBelongs = ['params', 'result', 'retention'].includes(field) ? [] : {};
      for (const value of [null, [[]], noneBelongs]) {
        const bytes = written(thing, type, { ...data, [field]: value });
        expect(() => readEvent(subject, bytes, 1)).toThrow(UnreadableMessage);
      }
    }
  });

  it.each([
    ['a thing', 'buckets.event.moon.x.created', written('moon', 'created', {})],
    ['a type', 'buckets.event.region.x.sunk', written('region', 'sunk', {})],
    ['a name that objects have anyway', 'buckets.event.region.x.constructor', written('region', 'constructor', {})],
    ['a thing that objects have anyway', 'buckets.event.constructor.x.name', written('constructor', 'name', {})],
    [
      'a later version',
      'buckets.event.api-key.x.revoked',
      encode(envelope({ source: 's', type: 'buckets.api-key.revoked.v2', subject: 'api-key/x' }, {})),
    ],
  ])('does not read %s that it does not know', (_, subject, bytes) => {
    expect(() => readEvent(subject, bytes, 1)).toThrow('is not known here');
    expect(() => readEvent(subject, bytes, 1)).toThrow(UnreadableMessage);
  });

  it('does not read what the subject and the envelope disagree on', () => {
    const data = EVENT_EXAMPLES['api-key'].revoked;
    const subject = 'buckets.event.api-key.x.revoked';
    expect(() => readEvent(subject, written('api-key', 'revoked', data, 'api-key/y'), 1)).toThrow('something else');
    expect(() => readEvent(subject, written('api-key', 'created', data), 1)).toThrow('not known here');
    expect(() => readEvent('buckets.intent.h.p.stop', written('api-key', 'revoked', data), 1)).toThrow('its subject');
  });

  it('knows no class of what it does not list', () => {
    expect(eventClass('region', 'toString')).toBeUndefined();
    expect(eventClass('__proto__', 'toString')).toBeUndefined();
    expect(eventClass('region', 'created')).toBe(EVENT_CLASSES.region.created);
  });
});
