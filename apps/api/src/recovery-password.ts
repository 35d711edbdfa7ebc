import { isId } from '@buckets/contracts';
import { VaultKeys } from './keys/vault-keys.js';
import { BucketRow, ProjectRow } from './tables/entities.js';
import { operatorCommand } from './wiring/operator-command.js';

/**
 * Tells an operator how to open a project's repository with plain restic or rustic, with no Buckets at all. The
 * password goes to the standard output and nowhere else.
 */
await operatorCommand('recovery-password', async ({ data, platformKeys }) => {
  const projectId = process.argv[2];
  if (!isId(projectId)) throw new Error('Name a project: recovery-password <projectId>.');
  const project = await data.getRepository(ProjectRow).findOneBy({ id: projectId });
  if (project === null) throw new Error(`There is no project ${projectId}.`);
  const bucket = await data.getRepository(BucketRow).findOneByOrFail({ id: project.bucket_id });
  const keys = new VaultKeys(data, platformKeys);
  try {
    const { recoveryPassword } = await keys.get(projectId);
    console.log(`The recovery password of project ${projectId}:

  ${recoveryPassword}

Whoever has it and may read the bucket can read all backups of the project. With restic 0.14 or newer:

  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
  export RESTIC_REPOSITORY=s3:${bucket.endpoint}/${bucket.bucket}/projects/${projectId}
  restic snapshots --no-lock
  restic restore <snapshot> --no-lock --target <an empty folder>
`);
  } finally {
    keys.close();
  }
});
