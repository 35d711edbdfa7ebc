import { countText, someNames } from '@buckets/contracts';
import { reasonOf } from '@buckets/service';
import { defineSettings, filePath, readSettings } from '@buckets/settings';
import { BucketCredentialsMissing } from '@buckets/vault';
import { credentialsIn } from './keys/given-credentials.js';
import { COMMANDS_PATIENCE, VaultKeys } from './keys/vault-keys.js';
import { BucketRow } from './tables/entities.js';
import { operatorCommand } from './operator/operator-command.js';
import { readGivenFile } from './keys/given-file.js';

const VARIABLE = 'BUCKETS_BUCKET_CREDENTIALS_FILE';

/**
 * Fills the vault again after its database was lost: the credentials of buckets from a file, and the keys of projects
 * from their second copies in these buckets. The tables have to be there, as a start of the API or a rebuild makes
 * them from the log. What the vault holds already stays as it is.
 */
await operatorCommand('restore-vault', async ({ data, platformKeys, log }) => {
  const { credentialsFile } = readSettings(
    defineSettings({
      credentialsFile: filePath(VARIABLE, {
        describe: 'JSON: the credentials of each bucket by its id, as {"<bucketId>":{"accessKeyId","secretAccessKey"}}',
      }),
    }),
  );
  const buckets = await data.getRepository(BucketRow).find({ order: { position: 'ASC' } });
  const text = await readGivenFile(credentialsFile, VARIABLE);
  const given = credentialsIn(
    text,
    buckets.map(({ id }) => id),
  );
  const keys = new VaultKeys(data, platformKeys, COMMANDS_PATIENCE);
  const refused: string[] = [];
  const without: string[] = [];
  try {
    for (const { id } of buckets) {
      const credentials = given.get(id);
      if (credentials === undefined) {
        if (!(await hasCredentials(keys, id))) without.push(id);
        log.warn({ bucketId: id }, 'The file has no credentials for this bucket: its projects are left out');
        continue;
      }
      const restored = await keys.restoreFrom(id, credentials).catch((error: unknown) => {
        throw new Error(`The credentials of "${id}" in the file do not serve: ${reasonOf(error)}`, { cause: error });
      });
      refused.push(...restored.refused.map(({ name }) => name));
      log.info({ bucketId: id, ...restored }, 'The keys of this bucket’s projects are in the vault');
    }
  } finally {
    keys.close();
  }
  if (refused.length > 0)
    throw new Error(`The keys of ${countText(refused.length, 'project')} could not be restored: see above.`);
  if (without.length > 0) {
    throw new Error(
      `The vault has no credentials of ${someNames(without)} yet: give them, too, in the file that ${VARIABLE} names. All else is done.`,
    );
  }
});

async function hasCredentials(keys: VaultKeys, bucketId: string): Promise<boolean> {
  try {
    await keys.bucketAccess(bucketId);
    return true;
  } catch (error) {
    if (error instanceof BucketCredentialsMissing) return false;
    throw error;
  }
}
