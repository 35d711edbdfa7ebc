import { describe, expect, it } from '@jest/globals';
import { DEFAULT_LIMITS, OPERATION_KINDS } from '@buckets/contracts';
import { readSettings } from '@buckets/settings';
import { apiSettings } from '../settings.js';
import { limitsFor, limitsFrom } from './limits.js';

const { limits: setting } = apiSettings;
const installed = (text: string) => limitsFrom(readSettings({ setting }, { BUCKETS_LIMITS: text }).setting);

describe('how long an operation may take', () => {
  it('is what the defaults say, where nobody says otherwise', () => {
    expect(installed('')).toEqual(DEFAULT_LIMITS);
    for (const kind of OPERATION_KINDS) expect(limitsFor(installed(''), kind)).toEqual(DEFAULT_LIMITS[kind]);
  });

  it('is what the installation says of its kind, or else of all', () => {
    const limits = installed('*.queue=6h, backup.stall=5m,backup.queue=90s');
    expect(limits.backup).toEqual({ ...DEFAULT_LIMITS.backup, queueSeconds: 90, stallSeconds: 300 });
    expect(limits.start).toEqual({ ...DEFAULT_LIMITS.start, queueSeconds: 21_600 });
    expect(installed('stop.whole=1500ms').stop.wholeSeconds).toBe(2);
  });

  it('is what the caller says, before all', () => {
    const limits = installed('backup.stall=5m,backup.whole=1h');
    expect(limitsFor(limits, 'backup', { stallSeconds: 7, queueSeconds: undefined! })).toEqual({
      ...limits.backup,
      stallSeconds: 7,
    });
  });

  it.each(['backups.queue=1h', 'backup.wait=1h', 'backup=1h', 'backup.queue=0s', '*.whole=31d'])(
    'is not set by %s',
    (text) => expect(() => installed(text)).toThrow('BUCKETS_LIMITS'),
  );
});
