import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isId } from './ids.js';
import { hostConsumer, NO_PROJECT, parseSubject, subjects } from './subjects.js';
import {
  ASK_NAMES,
  CLAIM_TYPES,
  INTENT_KINDS,
  REQUEST_NAMES,
  THINGS,
  type AskName,
  type ClaimType,
  type IntentKind,
  type RequestName,
  type Thing,
} from './vocabulary.js';

const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/);
/** What somebody might try in place of an id. */
const anything = fc.oneof(
  fc.string(),
  fc.constantFrom('', '*', '>', 'a.b', 'a.>', 'a *', 'A', '_', '-a', 'a\n', '..', 'é', 'a'.repeat(64), 'a\0'),
);

describe('subjects', () => {
  it('take nothing but ids, so none can bring a wildcard or another token along', () => {
    fc.assert(
      fc.property(anything, (text) => {
        fc.pre(!isId(text));
        const makers = [
          () => subjects.event('project', text, 'created'),
          () => subjects.event('project', 'p', text),
          () => subjects.eventsOf('project', text),
          () => subjects.intent(text, 'p', 'backup'),
          () => subjects.intent('h', text, 'backup'),
          () => subjects.intentsOf(text, '*'),
          () => subjects.claim(text, 'p', 'operation-ended'),
          () => subjects.activity(text, 'p'),
          () => subjects.progress(text, 'o'),
          () => subjects.progress('h', text),
          () => subjects.request(text, 'files'),
          () => subjects.requestsTo(text),
          () => subjects.ask(text, 'grant'),
          () => subjects.command(text),
          () => subjects.deadLetter(text),
          () => subjects.deadLetter('intents', text),
          () => hostConsumer.work(text),
          () => hostConsumer.cancel(text),
        ];
        for (const make of makers) expect(make).toThrow(TypeError);
        if (text !== NO_PROJECT) expect(() => subjects.claim('h', text, 'operation-ended')).toThrow(TypeError);
      }),
    );
  });

  it('say whom they are about, for every message there is', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        for (const thing of THINGS) {
          expect(parseSubject(subjects.event(thing, a, b))).toEqual({ family: 'event', thing, id: a, type: b });
        }
        for (const kind of INTENT_KINDS) {
          const parsed = { family: 'intent', hostId: a, projectId: b, kind };
          expect(parseSubject(subjects.intent(a, b, kind))).toEqual(parsed);
        }
        for (const type of CLAIM_TYPES) {
          for (const projectId of [b, NO_PROJECT]) {
            expect(parseSubject(subjects.claim(a, projectId, type))).toEqual({
              family: 'claim',
              hostId: a,
              projectId,
              type,
            });
          }
        }
        for (const name of ASK_NAMES) {
          expect(parseSubject(subjects.ask(a, name))).toEqual({ family: 'ask', hostId: a, name });
        }
        for (const name of REQUEST_NAMES) {
          expect(parseSubject(subjects.request(a, name))).toEqual({ family: 'request', hostId: a, name });
        }
        expect(parseSubject(subjects.activity(a, b))).toMatchObject({ hostId: a, projectId: b, name: 'project' });
        expect(parseSubject(subjects.activity(a, NO_PROJECT))).toMatchObject({ hostId: a, name: 'host' });
        expect(parseSubject(subjects.progress(a, b))).toEqual({ family: 'progress', hostId: a, operationId: b });
      }),
    );
  });

  it('that are not exactly ours are nobody’s', () => {
    const token = fc.oneof(id, anything);
    const family = fc.constantFrom('event', 'intent', 'claim', 'activity', 'progress', 'ask', 'request', 'x');
    fc.assert(
      fc.property(family, fc.array(token, { maxLength: 5 }), (name, tokens) => {
        const subject = ['buckets', name, ...tokens].join('.');
        const parsed = parseSubject(subject);
        if (parsed !== null) expect(rebuilt(parsed)).toBe(subject);
      }),
    );
    expect(parseSubject('other.event.project.p.created')).toBeNull();
    expect(parseSubject('buckets.intent.h._.backup')).toBeNull();
    expect(parseSubject('buckets.claim._.p.operation-ended')).toBeNull();
    expect(parseSubject('buckets.activity._.p')).toBeNull();
    expect(parseSubject('buckets.confirmation._')).toEqual({ family: 'confirmation', hostId: '_' });
  });

  it('name the dead letters of the host with the longest name', () => {
    expect(subjects.deadLetter('intents', 'h'.repeat(63))).toBe(`buckets.dead-letter.intents.${'h'.repeat(63)}`);
  });
});

function rebuilt(parsed: NonNullable<ReturnType<typeof parseSubject>>): string {
  switch (parsed.family) {
    case 'event':
      return subjects.event(parsed.thing as Thing, parsed.id, parsed.type);
    case 'intent':
      return subjects.intent(parsed.hostId, parsed.projectId, parsed.kind as IntentKind);
    case 'claim':
      return subjects.claim(parsed.hostId, parsed.projectId, parsed.type as ClaimType);
    case 'activity':
      return subjects.activity(parsed.hostId, parsed.projectId);
    case 'confirmation':
      return subjects.confirmation(parsed.hostId);
    case 'progress':
      return subjects.progress(parsed.hostId, parsed.operationId);
    case 'ask':
      return subjects.ask(parsed.hostId, parsed.name as AskName);
    case 'request':
      return subjects.request(parsed.hostId, parsed.name as RequestName);
  }
}
