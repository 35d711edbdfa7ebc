import { describe, expect, it } from '@jest/globals';
import { MessageTooLarge, UnstorableText } from '@buckets/contracts';
import { LogRefused, LogUnreachable, ProjectionBehind } from '@buckets/log';
import { QueryFailedError } from 'typeorm';
import { mayPass } from './may-pass.js';
import { Rejection } from './rejection.js';

const query = (code: string) => new QueryFailedError('SELECT 1', [], Object.assign(new Error('no'), { code }));

describe('a failure', () => {
  it.each([
    new LogUnreachable(new Error('gone')),
    new LogRefused('the log is full'),
    new ProjectionBehind('api', 2, 1),
    new Rejection('too-busy', 'Others keep changing it.', 503),
    new Rejection('too-many-waiting', 'Ten of yours wait for it.', 429),
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
    ...['40P01', '53100', '57P01', '57014', '55P03', '08006'].map(query),
    new Error('nobody knows'),
  ])('of a part that is away, full or busy may pass: %s', (error) => {
    expect(mayPass(error)).toBe(true);
  });

  it.each([
    new RangeError('Maximum call stack size exceeded'),
    new TypeError('x is not a function'),
    new MessageTooLarge('backup-recorded', 300_000),
    new UnstorableText('x'),
    new Rejection('bad-ask', 'No.', 400),
    ...['22003', '22P05', '23505', '54000'].map(query),
  ])('by the fault of what was to be done stays one: %s', (error) => {
    expect(mayPass(error)).toBe(false);
  });
});
