import { expect, it } from '@jest/globals';
import { readSettings, type SettingsError } from '@buckets/settings';
import { apiSettings } from './settings.js';

it('an issuer that is only half set is told with all else that needs attention, before anything starts', () => {
  const problems = (more: Record<string, string>): string[] => {
    try {
      readSettings(apiSettings, more);
    } catch (error) {
      return (error as SettingsError).problems.map(({ variable }) => variable).filter((each) => /OIDC/.test(each));
    }
    return [];
  };
  const issuer = { BUCKETS_OIDC_ISSUER: 'https://id.example' };
  const keys = { BUCKETS_OIDC_KEYS_URL: 'https://id.example/jwks.json' };
  expect(problems({})).toEqual([]);
  expect(problems({ ...issuer, ...keys })).toEqual(['BUCKETS_OIDC_AUDIENCE', 'BUCKETS_OIDC_IDS_KEY']);
  expect(problems({ ...issuer, ...keys, BUCKETS_OIDC_AUDIENCE: 'b', BUCKETS_OIDC_IDS_KEY: 'k' })).toEqual([]);
});
