import { expect, it } from '@jest/globals';
import { readRecoveryFile, recoveryFileOf } from './recovery-file.js';

const region = { id: 'zrh', name: 'Zürich', latitude: 47.37, longitude: 8.54 };
const bucket = {
  ...{ id: 'b1', regionId: 'zrh', endpoint: 'https://s3.example', s3Region: 'eu', bucket: 'safe' },
  ...{ accessKeyId: 'ABC', secretAccessKey: 'very-secret' },
};

it('a recovery file has regions and buckets as the API takes them', () => {
  expect(recoveryFileOf(JSON.stringify({ regions: [region], buckets: [bucket] }))).toEqual({
    regions: [region],
    buckets: [bucket],
  });
  expect(recoveryFileOf('{}')).toEqual({ regions: [], buckets: [] });
});

it.each([
  ['no JSON', 'very-secret', 'not JSON'],
  ['no list', JSON.stringify({ buckets: bucket }), '"buckets" is not a list'],
  ['no id', JSON.stringify({ buckets: [{ ...bucket, id: undefined }] }), 'buckets[0] is wrong: id must be'],
  [
    'a wrong name',
    JSON.stringify({ buckets: [bucket, { ...bucket, bucket: 'very-secret?' }] }),
    'buckets[1] (b1) is wrong: bucket is no name',
  ],
  [
    'no regionId',
    JSON.stringify({ buckets: [{ ...bucket, regionId: undefined }] }),
    '(b1) is wrong: regionId is missing.',
  ],
  [
    'a wrong id',
    JSON.stringify({ regions: [{ ...region, id: 'Very-Secret' }] }),
    'regions[0] is wrong: id is no id: lower-case',
  ],
  [
    'no region',
    JSON.stringify({ buckets: [{ ...bucket, regionId: 'very-secret!' }] }),
    'buckets[0] (b1) is wrong: regionId is no id',
  ],
  [
    'a secret in the endpoint',
    JSON.stringify({ buckets: [{ ...bucket, endpoint: 'https://me:very-secret@s3.example' }] }),
    'buckets[0] (b1) is wrong: endpoint',
  ],
])('what is wrong with one that has %s is said without what it holds', (_, text, expected) => {
  let said = '';
  try {
    recoveryFileOf(text);
  } catch (error) {
    said = (error as Error).message;
  }
  expect(said).toContain(expected);
  expect(said).not.toContain('very-secret');
});

it('one that is not there is named, with the setting that names it', async () => {
  await expect(readRecoveryFile('/nowhere/buckets.json', 'BUCKETS_RECOVERY_FILE')).rejects.toThrow(
    'There is no such file: /nowhere/buckets.json, which BUCKETS_RECOVERY_FILE names.',
  );
});
