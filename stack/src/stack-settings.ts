import { join } from 'node:path';
import { choice, defineSettings, filePath, port, readSettings } from '@buckets/settings';
import { CLONE } from './clone.js';
import { FOREIGN_DATA } from './fleet.js';
import type { Ports } from './stack-ports.js';

const settings = defineSettings({
  dataDir: filePath('BUCKETS_DATA_DIR', {
    default: join(CLONE, '.data'),
    describe: 'Folder in which the local stack keeps everything; deleting it starts anew',
  }),
  api: port('BUCKETS_API_PORT', {
    optional: true,
    describe: 'Port of the API and the web UI; else 8080 or a free one',
  }),
  'share-server': port('BUCKETS_SHARE_PORT', {
    optional: true,
    describe: 'Port of share links; else 8081 or a free one',
  }),
  scheduler: port('BUCKETS_SCHEDULER_PORT', {
    optional: true,
    describe: 'Port of the scheduler; else 8082 or a free one',
  }),
  nats: port('BUCKETS_NATS_PORT', { optional: true, describe: 'Port of NATS; else 4222 or a free one' }),
  postgres: port('BUCKETS_POSTGRES_PORT', { optional: true, describe: 'Port of Postgres; else 5432 or a free one' }),
  s3: port('BUCKETS_S3_PORT', { optional: true, describe: 'Port of S3; else 8333 or a free one' }),
});

const foreignDataSettings = defineSettings({
  foreignData: choice(FOREIGN_DATA, ['accept'], {
    optional: true,
    describe:
      'accept: the buckets are used although they hold projects that the API does not know, which are left alone',
  }),
});

/**
 * What the environment says about the local stack.
 *
 * @throws {SettingsError}
 */
export function stackSettings(): { dataDir: string; ports: Partial<Ports> } {
  const { dataDir, ...ports } = readSettings(settings);
  // A port 0 asks for a free one, which is what is taken anyway.
  return { dataDir, ports: Object.fromEntries(Object.entries(ports).filter(([, number]) => number)) };
}

/**
 * The operator's word that buckets are to be used, whatever projects they hold that the API does not know.
 *
 * @throws {SettingsError}
 */
export function foreignDataSetting(): { foreignData?: 'accept' } {
  const { foreignData } = readSettings(foreignDataSettings);
  return foreignData === undefined ? {} : { foreignData };
}
