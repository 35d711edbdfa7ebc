import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claimTypeName, encode, envelope, hostConsumer, newId, STREAM, subjects } from '@buckets/contracts';
import { compareTrees, describeTree } from '@buckets/trees';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { Disk } from '../apps/backup-worker/src/host-data/disk.js';
import { HostFolders } from '../apps/backup-worker/src/host-data/host-folders.js';
import { ProvisionedRecords } from '../apps/backup-worker/src/host-data/provisioned-records.js';
import { until } from '../stack/src/index.js';
import { Api, type Operation, type Project } from './running/api.js';
import { runOf, startCopy, type Copy } from './running/copy.js';
import { loseDatabase, rowsIn, stopSchedulerOnceStill } from './running/database.js';
import { connectAsAdmin, lastSequences, messagesOf, withStreams } from './running/log.js';
import { operator, operatorOfApi, operatorWith } from './running/operator.js';
import { hasRestic, restic } from './running/plain-tools.js';
import { Product } from './running/product.js';
import { inRepository, keysOf, snapshotsOf } from './running/repositories.js';

jest.setTimeout(120_000);

let product: Product;
let nats: NatsConnection;

beforeAll(async () => {
  product = await Product.start();
  nats = await connectAsAdmin(product);
});
afterAll(async () => {
  await nats.close();
  await product[Symbol.asyncDispose]();
});

const TEXTS = { title: 'Grüße an Ganymed', description: 'Nobody else may read of Kallisto' };

async function projectWithFile(id: string, more: object = {}): Promise<void> {
  await product.newProject(id, more);
  await writeFile(join(product.folder(id), 'project', 'file of Europa'), `content of ${id}`);
}

/** The facts about a project of one type, as they stand in the log. */
async function facts(projectId: string, type: string) {
  const all = await messagesOf(product, STREAM.log);
  return all.filter(({ subject }) => subject === `buckets.event.project.${projectId}.${type}`);
}

/** A connection with the credentials of a host. */
async function connectAsHost(hostId: string): Promise<NatsConnection> {
  const credentials = await readFile(join(product.dataDir, 'secrets', `host-${hostId}.creds`));
  return connect({
    servers: product.stack.access.natsUrl,
    authenticator: credsAuthenticator(credentials),
    inboxPrefix: `_INBOX.host-${hostId}`,
  });
}

describe('a subscriber elsewhere', () => {
  it('sees a fact for each backup that has succeeded, as a CloudEvent, and nothing that a host merely claims', async () => {
    await projectWithFile('seen');
    const subscription = nats.subscribe('buckets.event.project.*.backup-succeeded');
    const seen: { specversion: string; type: string; subject: string; data: { operationId: string } }[] = [];
    const listening = (async () => {
      for await (const message of subscription) seen.push(message.json());
    })();
    await nats.flush();

    const forged = await claimThatIsFalse('seen');
    const { id, result } = await product.backUp('seen');
    await until(() => seen.length > 0);
    expect(seen).toEqual([
      expect.objectContaining({
        specversion: '1.0',
        type: 'buckets.project.backup-succeeded.v1',
        subject: 'project/seen',
        data: expect.objectContaining({ operationId: id, result: { backupId: result?.backupId } }),
      }),
    ]);
    subscription.unsubscribe();
    await listening;
    expect((await product.api.backups('seen')).map((backup) => backup.id)).toEqual([result?.backupId]);
    expect((await rejections()).map(({ text }) => text.includes(forged))).toEqual([true]);
  });

  const rejections = () => facts('seen', 'claim-rejected');

  /** The word of a host that has no say in the project. */
  async function claimThatIsFalse(projectId: string): Promise<string> {
    const operationId = newId();
    const backupId = 'ab'.repeat(32);
    const now = new Date().toISOString();
    const data = {
      operationId,
      generation: 1,
      kind: 'backup',
      attemptId: newId(),
      outcome: 'succeeded',
      result: { backupId },
      backup: {
        backupId,
        operationId,
        beganAt: now,
        endedAt: now,
        counter: { generation: 1, epoch: 'none', n: 0 },
        consistency: { mode: 'stopped', movedWhileReading: false },
        partialBecause: [],
        unreadable: { total: 0, first: [] },
        ...{ files: 1, folders: 1, bytes: 1, bytesAdded: 1, bytesStored: 1, filesNew: 1, filesChanged: 0 },
      },
    };
    const type = 'operation-ended';
    const about = { source: 'test', type: claimTypeName(type), subject: `host/us-1/project/${projectId}` };
    const host = await connectAsHost('us-1');
    try {
      await host.request(subjects.claim('us-1', projectId, type), encode(envelope(about, data)));
    } finally {
      await host.close();
    }
    await until(async () => (await facts(projectId, 'claim-rejected')).length > 0, { what: 'the rejection' });
    return operationId;
  }
});

describe('what cannot be read', () => {
  it('is kept aside, and nothing stops for it', async () => {
    const host = await connectAsHost('us-1');
    const subject = subjects.claim('us-1', 'seen', 'operation-ended');
    await host.request(subject, 'neither JSON nor anything');
    await host.close();
    const letters = await until(
      async () => {
        const found = await messagesOf(product, STREAM.deadLetters);
        return found.length > 0 ? found : undefined;
      },
      { what: 'the dead letter' },
    );
    expect(letters).toHaveLength(1);
    expect(letters[0]!.text).toContain('neither JSON nor anything');
    expect(letters[0]!.text).toContain(subject);
    expect(await product.backUp('seen')).toMatchObject({ state: 'succeeded' });
  });
});

describe("people's texts", () => {
  it('are sealed wherever they are stored, and shown to who may read them', async () => {
    await projectWithFile('sealed', TEXTS);
    await product.backUp('sealed');
    await product.api.call('PATCH', '/v1/projects/sealed', { body: { title: 'Io, in other words' } });
    expect(await product.api.project('sealed')).toMatchObject({ ...TEXTS, title: 'Io, in other words' });
    await product.api.call('PATCH', '/v1/projects/sealed', { body: { description: null } });
    expect(await product.api.project('sealed')).not.toHaveProperty('description');

    const streams = await Promise.all(Object.values(STREAM).map((stream) => messagesOf(product, stream)));
    const stored = streams.flat().map(({ text }) => text);
    const printed = product.lines.map(({ line }) => line);
    for (const word of ['Ganymed', 'Kallisto', 'Io, in', 'Europa']) {
      expect([...stored, ...printed].filter((text) => text.includes(word))).toEqual([]);
    }
  });
});

describe('two copies of the API', () => {
  let copy: Copy;
  let other: Api;

  beforeAll(async () => {
    copy = await startCopy(product, 'second-api', await runOf(product, 'api'));
    other = new Api(
      () => copy.url,
      () => product.stack.access.adminToken,
    );
    await projectWithFile('raced');
  });
  afterAll(async () => {
    await copy[Symbol.asyncDispose]();
  });

  it('make one operation of twenty requests with the same Idempotency-Key', async () => {
    const ask = (n: number) =>
      (n % 2 === 0 ? product.api : other).ask('/v1/projects/raced/backups', {}, { 'idempotency-key': 'once' });
    const asked = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
    const [id, ...more] = [...new Set(asked.map((operation) => operation.id))];
    expect(more).toEqual([]);
    expect(await other.ended(id!)).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await facts('raced', 'backup-requested')).toHaveLength(1);
    expect(await product.api.backups('raced')).toHaveLength(1);
    expect(await snapshotsOf(product, 'raced')).toHaveLength(1);
  });

  it('make one project of twenty requests for it', async () => {
    const body = { id: 'one-of-many', hostId: 'eu-1' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? product.api : other).call('POST', '/v1/projects', { body })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
    expect(await facts('one-of-many', 'created')).toHaveLength(1);
    const { provisionOperationId } = await other.project('one-of-many');
    expect(await other.ended(provisionOperationId)).toMatchObject({ state: 'succeeded' });
    expect(await product.backUp('one-of-many')).toMatchObject({ state: 'succeeded' });
  });

  it('lose no word of a host between them', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const body = { id: `many-${n}`, hostId: 'eu-1' };
        return (n % 2 === 0 ? product.api : other).post<Project>('/v1/projects', body);
      }),
    );
    const ended = await Promise.all(made.map(({ provisionOperationId }) => other.ended(provisionOperationId)));
    expect(ended.map(({ state }) => state)).toEqual(made.map(() => 'succeeded'));
  });

  it('both show at once what either has done', async () => {
    for (let n = 1; n <= 5; n++) {
      await product.api.call('PATCH', '/v1/projects/raced', { body: { title: `Title ${n}` } });
      await until(async () => (await other.get<{ title: string }>('/v1/projects/raced')).title === `Title ${n}`);
    }
  });

  it('and two workers, both told to make the first backup, make one repository', async () => {
    const run = await runOf(product, 'worker-eu-1');
    await projectWithFile('contested');
    const secondRoot = await sameProjectElsewhere('contested');
    await using _second = await startCopy(product, 'second-worker', run, { BUCKETS_DATA_ROOT: secondRoot });

    const asked = await Promise.all(
      Array.from({ length: 6 }, (_, n) => (n % 2 === 0 ? product.api : other).ask('/v1/projects/contested/backups')),
    );
    const ended = await Promise.all(asked.map(({ id }) => product.api.ended(id)));
    expect(ended.map(({ state }) => state)).toEqual(ended.map(() => 'succeeded'));
    const taking = (part: string) =>
      product.lines.filter((said) => said.part === part && /"contested".*An attempt begins/.test(said.line)).length;
    expect([taking('worker-eu-1'), taking('second-worker')]).not.toContain(0);

    await oneRepositoryHolds(ended);
  });

  /** The same data under another root, as if the host had been set up twice. */
  async function sameProjectElsewhere(projectId: string): Promise<string> {
    const root = join(product.dataDir, 'hosts', 'eu-1-twin');
    const folders = new HostFolders(root);
    await mkdir(folders.own, { recursive: true });
    await cp(product.folder(projectId), join(root, projectId), { recursive: true });
    await new ProvisionedRecords(folders, new Disk()).adopt(projectId, 1);
    // A person says that this is the host's data root, although other projects are not in it.
    await writeFile(folders.marker, 'eu-1\n');
    return root;
  }

  async function oneRepositoryHolds(operations: Operation[]): Promise<void> {
    const [initialised, ...again] = await facts('contested', 'repository-initialised');
    expect(again).toEqual([]);
    const id = await inRepository(product, 'contested', (repository) => Promise.resolve(repository.config.id));
    expect(initialised!.text).toContain(`"configId":"${id}"`);
    const made = operations.map(({ result }) => result?.backupId);
    expect((await snapshotsOf(product, 'contested')).map((snapshot) => snapshot.id).toSorted()).toEqual(
      made.toSorted(),
    );
    if (hasRestic) expect(await restic(product, 'contested', ['check', '--read-data'])).toContain('no errors');
  }
});

describe('the tables', () => {
  const rows = () => rowsIn(product, ['api', 'scheduler']);
  const delivered = () =>
    withStreams(product, async ({ consumers }) => {
      const infos = await Promise.all(['eu-1', 'us-1'].map((id) => consumers.info(STREAM.log, hostConsumer.work(id))));
      return infos.map((info) => info.delivered.consumer_seq);
    });

  beforeAll(async () => {
    await projectWithFile('kept', TEXTS);
    await product.backUp('kept');
    await stopSchedulerOnceStill(product);
  });

  it('made anew from the log equal those that were there, and nothing is sent again', async () => {
    const [before, sequences, intents] = await Promise.all([rows(), lastSequences(product), delivered()]);
    expect(Object.keys(before).length).toBeGreaterThan(10);
    expect(before['api.project']!.length).toBeGreaterThan(5);
    await operator(product, 'rebuild-projections');
    expect(derived(await rows())).toEqual(derived(before));
    expect(await lastSequences(product)).toEqual(sequences);
    expect(await delivered()).toEqual(intents);
    expect(await product.backUp('kept')).toMatchObject({ state: 'succeeded', attempts: 1 });
  });

  it('and the keys come back when the whole database is lost, and with them the data', async () => {
    const picture = await describeTree(product.folder('kept'));
    // One that the stack does not know; by another name of its server, as it is there by its own.
    const { endpoint, region, buckets, accessKeyId, secretAccessKey } = product.stack.access.s3;
    const credentials = { accessKeyId, secretAccessKey };
    const place = { endpoint: endpoint.replace('127.0.0.1', 'localhost'), s3Region: region, bucket: buckets[0] };
    await product.api.post('/v1/buckets', { id: 'added', regionId: 'eu-west', ...place, ...credentials });
    const ofApi = () => rowsIn(product, ['api']);
    const [before, keys] = await Promise.all([ofApi(), keysOf(product, 'kept')]);
    await product.stack.kill('api', 'SIGTERM');
    await loseDatabase(product);
    await operator(product, 'rebuild-projections');
    // Credentials that do not serve take nobody's place.
    const file = join(product.dataDir, 'given-credentials.json');
    const wrong = { 'eu-west': { accessKeyId: 'nobody', secretAccessKey: 'wrong' } };
    await writeFile(file, JSON.stringify(wrong), { mode: 0o600 });
    const { running } = await operatorOfApi(product, 'restore-vault', { BUCKETS_BUCKET_CREDENTIALS_FILE: file });
    await expect(running).rejects.toThrow(/refused access to buckets-eu-west/);
    expect((await rowsIn(product, ['vault']))['vault.bucket_credentials']).toEqual([]);
    await expect(operator(product, 'restore-vault')).rejects.toThrow(/no credentials of added yet/);
    await writeFile(file, JSON.stringify({ added: credentials }));
    await operatorWith(product, { BUCKETS_BUCKET_CREDENTIALS_FILE: file }, 'restore-vault');
    expect(derived(await ofApi())).toEqual(derived(before));
    await Promise.all([product.stack.restart('api'), product.stack.restart('scheduler')]);

    expect((await keysOf(product, 'kept')).equals(keys)).toBe(true);
    expect(await product.api.project('kept')).toMatchObject(TEXTS);
    await rm(product.folder('kept'), { recursive: true });
    expect(await product.start('kept')).toMatchObject({ state: 'succeeded' });
    expect(compareTrees(picture, await describeTree(product.folder('kept')), { topFolder: false })).toEqual([]);
    expect(await product.backUp('kept')).toMatchObject({ state: 'succeeded' });
  });

  it('are not needed to know the recovery password: it is told to the operator', async () => {
    const { recoveryPassword } = await keysOf(product, 'kept');
    expect(await operator(product, 'recovery-password', 'kept')).toContain(recoveryPassword);
  });
});

/**
 * Without the word on how far they are, which tells when it was written, and without the memory of Idempotency-Keys,
 * which guards the edge and is not made from the log: the ids that derive from a key still make one thing of a repetition.
 */
function derived(tables: Record<string, string[]>): Record<string, string[]> {
  const apart = /\.(projection_position|request_key)$/;
  return Object.fromEntries(Object.entries(tables).filter(([name]) => !apart.test(name)));
}
