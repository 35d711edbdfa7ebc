import { expect, it } from '@jest/globals';
import { credentialsIn } from './given-credentials.js';

const entry = { accessKeyId: 'ABC', secretAccessKey: 'very-secret' };
const read = (value: unknown) => credentialsIn(JSON.stringify(value), ['eu', 'us']);

it('a file has credentials of some of the buckets', () => {
  expect([...read({ eu: entry })]).toEqual([['eu', entry]]);
});

it.each([
  ['of a bucket that there is not', { eu: entry, ue: entry }, 'there are not: ue (there are eu, us)'],
  ['of a name that every object knows', { constructor: entry }, 'there are not: constructor'],
  ['of none', {}, 'no credentials of any bucket'],
  ['without the secret', { us: { accessKeyId: 'very-secret' } }, '"us" needs accessKeyId and secretAccessKey'],
  ['that are nothing', { us: null }, '"us" needs'],
  ['in a list', [entry], 'no object by their ids'],
])('one with credentials %s is refused, without what it holds', (_, value, expected) => {
  expect(() => read(value)).toThrow(expected);
  expect(() => read(value)).not.toThrow('very-secret');
});

it('one that is no JSON is refused', () => {
  expect(() => credentialsIn('very-secret', ['eu'])).toThrow('is not JSON.');
});

it('where the tables are empty, that is said', () => {
  expect(() => credentialsIn(JSON.stringify({ eu: entry }), [])).toThrow('rebuild the tables');
});
