import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { claimTypeName, readClaim } from './claims.js';
import { encode, envelope, UnreadableMessage } from './envelope.js';
import { intentTypeName, readIntent } from './intents.js';
import { CLAIM_EXAMPLES, INTENT_EXAMPLES } from './testing/examples.js';
import { CLAIM_TYPES, INTENT_KINDS } from './vocabulary.js';

const about = 'host/h1/project/p1';
const write = (type: string, data: unknown, subject = about) =>
  encode(envelope({ source: 'buckets/backup-worker', type, subject }, data));

describe('claims', () => {
  it.each(CLAIM_TYPES)('are read as they were written: %s', (type) => {
    const data = CLAIM_EXAMPLES[type];
    expect(readClaim(`buckets.claim.h1.p1.${type}`, write(claimTypeName(type), data))).toMatchObject({
      type,
      hostId: 'h1',
      projectId: 'p1',
      data,
    });
  });

  it('keep nothing of what this version does not know', () => {
    const data = { ...CLAIM_EXAMPLES['unreadable-intent'], more: 'x'.repeat(1000) };
    const claim = readClaim('buckets.claim.h1.p1.unreadable-intent', write(claimTypeName('unreadable-intent'), data));
    expect(claim.data).toEqual(CLAIM_EXAMPLES['unreadable-intent']);
  });

  it.each([
    ['of another host', 'buckets.claim.h2.p1.operation-ended', write(claimTypeName('operation-ended'), ended())],
    ['of another project', 'buckets.claim.h1.p2.operation-ended', write(claimTypeName('operation-ended'), ended())],
    ['of an unknown type', 'buckets.claim.h1.p1.moon-landed', write('buckets.claim.moon-landed.v1', {})],
    ['of two types', 'buckets.claim.h1.p1.operation-ended', write(claimTypeName('unreadable-intent'), ended())],
    ['without data', 'buckets.claim.h1.p1.operation-ended', write(claimTypeName('operation-ended'), null)],
    ['on a subject of events', 'buckets.event.project.p1.created', write(claimTypeName('operation-ended'), ended())],
    ['on a wildcard', 'buckets.claim.*.p1.operation-ended', write(claimTypeName('operation-ended'), ended())],
  ])('are not read: %s', (_, subject, bytes) => {
    expect(() => readClaim(subject, bytes)).toThrow(UnreadableMessage);
  });
});

describe('intents', () => {
  it.each(INTENT_KINDS)('are read as they were written: %s', (kind) => {
    const data = INTENT_EXAMPLES[kind];
    expect(readIntent(`buckets.intent.h1.p1.${kind}`, write(intentTypeName(kind), data))).toMatchObject({
      kind,
      hostId: 'h1',
      projectId: 'p1',
      data,
    });
  });

  it.each([
    ['to another host', 'buckets.intent.h2.p1.stop', write(intentTypeName('stop'), INTENT_EXAMPLES.stop)],
    ['of an unknown kind', 'buckets.intent.h1.p1.explode', write('buckets.intent.explode.v1', INTENT_EXAMPLES.stop)],
    ['of another kind', 'buckets.intent.h1.p1.start', write(intentTypeName('stop'), INTENT_EXAMPLES.stop)],
    ['of no backup', 'buckets.intent.h1.p1.restore', write(intentTypeName('restore'), INTENT_EXAMPLES.stop)],
    ['for the whole host', 'buckets.intent.h1._.stop', write(intentTypeName('stop'), INTENT_EXAMPLES.stop)],
  ])('are not read: %s', (_, subject, bytes) => {
    expect(() => readIntent(subject, bytes)).toThrow(UnreadableMessage);
  });
});

function ended(): object {
  return CLAIM_EXAMPLES['operation-ended'];
}
