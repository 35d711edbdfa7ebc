import { readFile } from 'node:fs/promises';
import { defineSettings, filePath, readSettings } from '@buckets/settings';
import { VaultKeys } from './keys/vault-keys.js';
import { BucketRow } from './tables/entities.js';
import { operatorCommand } from './operator/operator-command.js';

/**
 * Fills the vault again after its database was lost: the credentials of buckets from a file, and the keys of projects
 * from their second copies in these buckets. The tables have to be there, as a start of the API or a rebuild makes
 * them from the log. What the vault holds already stays as it is.
 */
await operatorCommand('restore-vault', async ({ data, platformKeys, log }) => {
  const { credentialsFile } = readSettings(
    defineSettings({
      credentialsFile: filePath('BUCKETS_BUCKET_CREDENTIALS_FILE', {
        describe: 'JSON: the credentials of each bucket by its id, as {"<bucketId>":{"accessKeyId","secretAccessKey"}}',
      }),
    }),
  );
  const given = readCredentials(await readFile(credentialsFile, 'utf8'));
  const keys = new VaultKeys(data, platformKeys);
  const refused: string[] = [];
  try {
    for (const { id } of await data.getRepository(BucketRow).find({ order: { position: 'ASC' } })) {
      const credentials = given.get(id);
      if (credentials === undefined) {
        log.warn({ bucketId: id }, 'The file has no credentials for this bucket: its projects are left out');
        continue;
      }
      const restored = await keys.restoreFrom(id, credentials);
      refused.push(...restored.refused.map(({ name }) => name));
      log.info({ bucketId: id, ...restored }, 'The keys of this bucket’s projects are in the vault');
    }
  } finally {
    keys.close();
  }
  if (refused.length > 0) throw new Error(`The keys of ${refused.length} projects could not be restored: see above.`);
});

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

function readCredentials(text: string): Map<string, Credentials> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('The file with the credentials of buckets is not JSON.');
  }
  const entries = Object.entries((value ?? {}) as Record<string, Partial<Credentials>>);
  return new Map(
    entries.map(([bucketId, { accessKeyId, secretAccessKey }]) => {
      if (typeof accessKeyId === 'string' && typeof secretAccessKey === 'string') {
        return [bucketId, { accessKeyId, secretAccessKey }];
      }
      throw new Error(`The credentials of bucket ${bucketId} need accessKeyId and secretAccessKey.`);
    }),
  );
}
