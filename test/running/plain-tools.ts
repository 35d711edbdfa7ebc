import { execaSync, execa } from 'execa';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Product } from './product.js';
import { bucketOf, keysOf } from './repositories.js';

/** Debian's restic, the independent judge of what was written; not every machine has one. */
export const hasRestic = execaSync('restic', ['version'], { reject: false }).exitCode === 0;

/** Runs plain restic on a project's repository, with the recovery password and no word to Buckets. */
export async function restic(product: Product, projectId: string, args: readonly string[]): Promise<string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = product.stack.access.s3;
  const [bucket, { recoveryPassword }] = await Promise.all([bucketOf(product, projectId), keysOf(product, projectId)]);
  const { all } = await execa('restic', ['--no-lock', '--no-cache', ...args], {
    all: true,
    timeout: 120_000,
    env: {
      RESTIC_REPOSITORY: `s3:${endpoint}/${bucket}/projects/${projectId}`,
      RESTIC_PASSWORD: recoveryPassword,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_DEFAULT_REGION: region,
    },
  });
  return all;
}

/** Runs plain rustic in the same way, with the profile file that its manual describes. */
export async function rustic(product: Product, projectId: string, args: readonly string[]): Promise<string> {
  const { s3, rusticPath } = product.stack.access;
  const [bucket, { recoveryPassword }] = await Promise.all([bucketOf(product, projectId), keysOf(product, projectId)]);
  const profile = join(product.dataDir, `plain-${projectId}`);
  await writeFile(
    `${profile}.toml`,
    `[repository]
repository = "opendal:s3"
password = "${recoveryPassword}"
no-cache = true
[repository.options]
endpoint = "${s3.endpoint}"
region = "${s3.region}"
bucket = "${bucket}"
root = "projects/${projectId}"
access_key_id = "${s3.accessKeyId}"
secret_access_key = "${s3.secretAccessKey}"
enable_virtual_host_style = "false"
`,
  );
  await chmod(`${profile}.toml`, 0o600);
  const { all } = await execa(rusticPath, ['--use-profile', profile, ...args], { all: true, timeout: 120_000 });
  return all;
}
