import { isId } from '@buckets/contracts';
import { VaultKeys } from './keys/vault-keys.js';
import { BucketRow, ProjectRow } from './tables/entities.js';
import { operatorCommand } from './operator/operator-command.js';

/**
 * Tells an operator how to open a project's repository with plain restic or rustic, with no Buckets at all. The
 * password goes to the standard output and nowhere else.
 */
await operatorCommand('recovery-password', async ({ data, platformKeys }) => {
  const projectId = process.argv[2];
  if (!isId(projectId)) throw new Error('Name a project: npm run recovery-password -- <projectId>.');
  const project = await data.getRepository(ProjectRow).findOneBy({ id: projectId });
  if (project === null) throw new Error(`There is no project ${projectId}.`);
  const bucket = await data.getRepository(BucketRow).findOneByOrFail({ id: project.bucket_id });
  const keys = new VaultKeys(data, platformKeys);
  try {
    console.log(instructions(projectId, bucket, (await keys.get(projectId)).recoveryPassword));
  } finally {
    keys.close();
  }
});

function instructions(projectId: string, { endpoint, s3_region, bucket }: BucketRow, password: string): string {
  return `The recovery password of project ${projectId}:

  ${password}

Whoever has it and may read the bucket can read all backups of the project.

AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are credentials of the storage that may read this bucket; Buckets tells nobody
those that it was given. On a local stack they stand in .data/access.json, as s3.accessKeyId and s3.secretAccessKey.

With restic 0.14 or newer, which asks for the password:

  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_DEFAULT_REGION=${s3_region}
  export RESTIC_REPOSITORY=s3:${endpoint}/${bucket}/projects/${projectId}
  restic snapshots --no-lock
  restic restore <snapshot> --no-lock --target <an empty folder>

With rustic 0.11, which asks for it too, and this in ${projectId}.toml (mode 0600, as it holds secrets):

  [repository]
  repository = "opendal:s3"
  no-cache = true
  [repository.options]
  endpoint = "${endpoint}"
  region = "${s3_region}"
  bucket = "${bucket}"
  root = "projects/${projectId}"
  access_key_id = "…"
  secret_access_key = "…"
  enable_virtual_host_style = "false"

  rustic -P ${projectId} snapshots
  rustic -P ${projectId} restore --numeric-id --sparse=by-content <snapshot> <an empty folder>
`;
}
