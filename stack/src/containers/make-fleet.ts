import { join } from 'node:path';
import { Fleet, ProjectsUnknown } from '../fleet.js';
import { HOSTS } from '../places.js';
import { keptText, privateFolder } from '../private-files.js';
import { createBuckets } from '../s3/buckets.js';
import { secretsIn } from '../secrets.js';
import { foreignDataSetting } from '../stack-settings.js';
import { until } from '@buckets/patience';
import { API_URL, PLACE, S3_ENDPOINT } from './places.js';

/**
 * Runs once when the API is ready, and again without harm: makes the buckets, tells the API about regions, buckets and
 * hosts, and gives each worker its credentials.
 */
async function makeFleet(): Promise<void> {
  const { adminToken, s3 } = await secretsIn(PLACE.secrets);
  const fleet = new Fleet(API_URL, adminToken);
  await fleet.addRegions();
  await until(async () => createBuckets(S3_ENDPOINT, s3).then(() => true), { what: 'S3', withinMs: 120_000 });
  await fleet.addBuckets(S3_ENDPOINT, s3.buckets, foreignDataSetting().foreignData);
  for (const host of HOSTS) {
    await fleet.addHost(host);
    const folder = await privateFolder(PLACE.host(host.hostId));
    await keptText(join(folder, 'nats.creds'), () => fleet.credentialsFor(host.hostId));
  }
}

try {
  await makeFleet();
  console.log('Regions, buckets and hosts are known.');
} catch (error) {
  console.error(error instanceof ProjectsUnknown ? error.message : error);
  process.exitCode = 1;
}
