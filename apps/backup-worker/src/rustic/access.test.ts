import { describe, expect, it } from '@jest/globals';
import { cacheNameOf, profileOf, secretsOf, type S3Access } from './access.js';

const access: S3Access = {
  kind: 's3',
  endpoint: 'https://s3.example.com',
  region: 'eu-1',
  bucket: 'backups',
  root: 'projects/p1',
  accessKeyId: 'AKIA',
  secretAccessKey: 'quote " and \\ and \u007f',
  masterKey:
    '{"mac":{"k":"AAAAAAAAAAAAAAAAAAAAAA==","r":"BBBBBBBBBBBBBBBBBBBBBA=="},"encrypt":"CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA="}',
};

describe('the profile of a run', () => {
  it('holds the access, with every character quoted that TOML wants quoted', () => {
    const profile = profileOf(
      { ...access, sessionToken: 'token' },
      { cacheFolder: '/cache', logLevel: 'warn', storageRetries: 2 },
    );
    expect(profile).toContain('secret_access_key = "quote \\" and \\\\ and \\u007f"\n');
    expect(profile).toContain('session_token = "token"\n');
    expect(profile).toContain('cache-dir = "/cache"\n');
    expect(profile).toContain('retry = "2"\n');
  });

  it('lets nothing but the grant identify this host to the storage', () => {
    const profile = profileOf(access, { logLevel: 'warn' });
    expect(profile).toContain('disable_config_load = "true"\n');
    expect(profile).toContain('disable_ec2_metadata = "true"\n');
    expect(profile).toContain('no-cache = true\n');
    expect(profile).not.toContain('session_token');
  });
});

describe('the secrets of an access', () => {
  it('are the keys, whole and in parts', () => {
    expect(secretsOf({ ...access, sessionToken: 'token' })).toEqual([
      access.masterKey,
      'AAAAAAAAAAAAAAAAAAAAAA==',
      'BBBBBBBBBBBBBBBBBBBBBA==',
      'CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA=',
      access.secretAccessKey,
      'token',
    ]);
  });
});

describe('the cache of a repository', () => {
  it('is its own, whoever reads it', () => {
    expect(cacheNameOf(access)).toBe(cacheNameOf({ ...access, accessKeyId: 'other', secretAccessKey: 'other' }));
    expect(cacheNameOf(access)).not.toBe(cacheNameOf({ ...access, root: 'projects/p2' }));
  });
});
