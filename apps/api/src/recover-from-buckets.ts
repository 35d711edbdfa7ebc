import { S3ObjectStore, type ObjectStore } from '@buckets/object-storage';
import { reasonOf } from '@buckets/service';
import { defineSettings, filePath, readSettings, string } from '@buckets/settings';
import { PostgresKeyRows, Vault } from '@buckets/vault';
import { In, type DataSource } from 'typeorm';
import { BucketRecovery, type BucketRecoveryParts } from './bucket-recovery/bucket-recovery.js';
import { readRecoveryFile, type GivenBucket, type RecoveryFile } from './bucket-recovery/recovery-file.js';
import { checkBucket } from './buckets/check-bucket.js';
import type { Decider } from './decisions/decider.js';
import { COMMANDS_PATIENCE, VaultKeys } from './keys/vault-keys.js';
import { operationKnown, TELLING_OF_END } from './operations/operation-known.js';
import { lookForFound, recoverProject } from './project-decisions/recover-project.js';
import type { ProjectState } from './state/project-state.js';
import { BucketRow, OperationRow, RegionRow, ThingStateRow } from './tables/entities.js';
import { lookUp } from './tables/look-up.js';
import { commandAlone } from './operator/command-alone.js';
import { operatorCommand, type Operator } from './operator/operator-command.js';
import { OperatorsLog } from './operator/operators-log.js';

const NAME = 'recover-from-buckets';
const REQUESTED_BY = NAME;
const VARIABLE = 'BUCKETS_RECOVERY_FILE';
const NO_BUCKETS: RecoveryFile = { regions: [], buckets: [] };

const recoverySettings = defineSettings({
  file: filePath(VARIABLE, {
    optional: true,
    describe:
      'JSON: {"regions":[…],"buckets":[…]}, each as POST /v1/regions and /v1/buckets take them, with the id. Needed for what the log does not know',
  }),
  ownerId: string('BUCKETS_RECOVERY_OWNER', {
    default: 'unknown',
    describe: 'Whose the projects are to be that are found: who owned them stood in the log',
  }),
});

/**
 * Makes projects, keys and backups known again that are in buckets and not in the log, after the log and the database were
 * both lost. Looks into the buckets of a file, and into all others that the log knows. Services may run meanwhile. May be
 * interrupted and repeated. With `--dry-run` it says what it would do, and changes nothing.
 */
await operatorCommand(NAME, async (operator) => {
  const [word, ...others] = process.argv.slice(2);
  const dryRun = word === '--dry-run';
  if ((word !== undefined && !dryRun) || others.length > 0)
    throw new Error(`It takes --dry-run, or nothing: npm run ${NAME} [-- --dry-run].`);
  const { file, ownerId } = readSettings(recoverySettings);
  const given = file === undefined ? NO_BUCKETS : await readRecoveryFile(file, VARIABLE);
  await commandAlone(operator.data, NAME, async () => {
    for (const bucket of given.buckets) await mustBeUsable(operator.data, bucket);
    if (dryRun) return recover(operator, given, ownerId, lookOnly(operator));
    await using opened = await OperatorsLog.open(operator, NAME);
    await addFixtures(operator, given, opened.decider);
    await recover(operator, given, ownerId, statedIn(operator, opened.decider));
  });
});

type Ways = Pick<BucketRecoveryParts, 'keyNames' | 'keysFrom' | 'stateOf' | 'backupsOf' | 'state' | 'isLookOnly'>;

async function recover(operator: Operator, { buckets }: RecoveryFile, ownerId: string, ways: Ways): Promise<void> {
  const { data, log, platformKeys } = operator;
  const keys = new VaultKeys(data, platformKeys, COMMANDS_PATIENCE);
  const recovery = new BucketRecovery({
    ...{ ...ways, log, ownerId, requestedBy: REQUESTED_BY },
    operationsKnown: async (projectId, ids) => {
      const where = { id: In(ids), project_id: projectId };
      const rows = await data.getRepository(OperationRow).find({ select: TELLING_OF_END, where });
      return new Map(rows.map((row) => [row.id, operationKnown(row)]));
    },
  });
  const all = new Map(buckets.map(({ id, regionId, ...access }) => [id, { regionId, ...accessOf(access) }]));
  let refused = 0;
  try {
    for (const { id, region_id: regionId } of await data
      .getRepository(BucketRow)
      .find({ order: { position: 'ASC' } })) {
      if (!all.has(id)) all.set(id, { regionId, ...(await keys.bucketAccess(id)) });
    }
    if (all.size === 0) throw new Error('The log knows no bucket: name some in a file, as BUCKETS_RECOVERY_FILE.');
    for (const [id, { regionId, ...access }] of all) {
      const store = new S3ObjectStore(access, COMMANDS_PATIENCE);
      try {
        await store.check();
        const done = await recovery.recover({ id, regionId, store });
        refused += done.refused;
        log.info({ bucketId: id, ...done }, 'This bucket was looked through');
      } finally {
        store.destroy();
      }
    }
  } finally {
    keys.close();
  }
  if (refused > 0) throw new Error(`${refused} things could not be recovered: see above. All else is done.`);
}

/** What a dry run does: it reads. */
function lookOnly({ data, platformKeys, log }: Operator): Ways {
  log.warn({}, 'This is a dry run: nothing is changed');
  const vault = vaultOf({ data, platformKeys });
  return {
    keyNames: (store) => vault.namesIn(store),
    keysFrom: (store, projectId) => vault.copyIn(store, projectId),
    stateOf: async (id) => {
      const row = await data.getRepository(ThingStateRow).findOneBy({ thing: 'project', id });
      return (row?.state ?? null) as ProjectState | null;
    },
    backupsOf: async (id, ids) => (await lookUp(data, id, { ids })).state?.backups ?? null,
    state: () => Promise.resolve(),
    isLookOnly: true,
  };
}

function statedIn(operator: Operator, decider: Decider): Ways {
  const vault = vaultOf(operator);
  return {
    keyNames: (store) => vault.namesIn(store),
    keysFrom: (store: ObjectStore, projectId) => vault.takeFromBucket(projectId, store),
    stateOf: (projectId) => decider.currentStateOf('project', projectId),
    backupsOf: async (projectId, ids) => (await decider.projectWithBackups(projectId, { ids }))?.backups ?? null,
    state: async (projectId, found) => {
      await decider.decideWithBackups(projectId, lookForFound(found), (project) => recoverProject(project, found));
    },
    isLookOnly: false,
  };
}

function vaultOf({ data, platformKeys }: Pick<Operator, 'data' | 'platformKeys'>): Vault {
  const createRepositoryKey = () => {
    throw new Error('A recovery makes no keys.');
  };
  return new Vault({ rows: new PostgresKeyRows(data), platformKeys, createRepositoryKey });
}

/** Before anything is kept of it: a bucket that is not the one that the log knows, or out of reach, changes nothing. */
async function mustBeUsable(data: DataSource, bucket: GivenBucket): Promise<void> {
  mustBeTheSame(await data.getRepository(BucketRow).findOneBy({ id: bucket.id }), bucket);
  await checkBucket(accessOf(bucket)).catch((error: unknown) => {
    throw new Error(`The bucket "${bucket.id}" of the file: ${reasonOf(error)}`, { cause: error });
  });
}

/** @throws {Error} that names both places */
function mustBeTheSame(known: BucketRow | null, { id, endpoint, s3Region, bucket }: GivenBucket): void {
  if (known === null) return;
  const [ours, given] = [
    [known.bucket, known.endpoint, known.s3_region],
    [bucket, endpoint, s3Region],
  ];
  if (ours.join() === given.join()) return;
  const place = ([name, at, region]: string[]): string => `${name} at ${at} (${region})`;
  throw new Error(`The log knows the bucket ${id} as ${place(ours)}; the file says ${place(given)}.`);
}

/** Regions and buckets of the file, as far as the log does not know them. Their credentials go into the vault. */
async function addFixtures(operator: Operator, { regions, buckets }: RecoveryFile, decider: Decider): Promise<void> {
  const { data, platformKeys, log } = operator;
  const keys = new VaultKeys(data, platformKeys, COMMANDS_PATIENCE);
  try {
    for (const { id, name, latitude, longitude } of regions) {
      const event = { name, latitude, longitude, requestedBy: REQUESTED_BY };
      await decider.decide('region', id, (state) => ({
        events: state === null ? [{ thing: 'region', type: 'created', data: event }] : [],
      }));
    }
    for (const given of buckets) {
      const { id, regionId, endpoint, s3Region, bucket } = given;
      if (!(await data.getRepository(RegionRow).existsBy({ id: regionId }))) {
        throw new Error(`The bucket ${id} is of the region ${regionId}, which nobody knows: name it in the file.`);
      }
      const event = { regionId, endpoint, s3Region, bucket, requestedBy: REQUESTED_BY };
      const { verdict } = await decider.decide('bucket', id, (state) => ({
        events: state === null ? [{ thing: 'bucket', type: 'created', data: event }] : [],
      }));
      if (verdict.events.length > 0) log.info({ bucketId: id }, 'The bucket is known now');
      // Somebody else may have made it meanwhile.
      mustBeTheSame(await data.getRepository(BucketRow).findOneByOrFail({ id }), given);
      await keys.storeBucketAccess(id, accessOf(given));
    }
  } finally {
    keys.close();
  }
}

function accessOf({
  endpoint,
  s3Region: region,
  bucket,
  accessKeyId,
  secretAccessKey,
}: Pick<RecoveryFile['buckets'][number], 'endpoint' | 's3Region' | 'bucket' | 'accessKeyId' | 'secretAccessKey'>) {
  return { endpoint, region, bucket, accessKeyId, secretAccessKey };
}
