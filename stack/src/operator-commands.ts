import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accessFileIn, type Access } from './access.js';
import { failureInWords } from '@buckets/service';
import { CLONE } from './clone.js';
import { bucketBody } from './fleet.js';
import { BUCKET_CREDENTIALS_FILE, givenFile, RECOVERY_FILE, withGiven } from './given-files.js';
import { REGIONS } from './places.js';
import { writePrivately } from './private-files.js';
import { secretsIn } from './secrets.js';
import { startStack } from './stack.js';
import { stackSettings } from './stack-settings.js';
import { supervisorOf } from './supervisor-record.js';

/** What an operator's command of a service is run with on the local stack. */
export class LocalOperator {
  private constructor(
    readonly dataDir: string,
    private readonly s3Endpoint: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async open(): Promise<LocalOperator> {
    const { dataDir } = stackSettings();
    const text = await readFile(accessFileIn(dataDir), 'utf8').catch((error: unknown) => {
      throw new Error('Buckets is starting. Try again when it is up, or has given up.', { cause: error });
    });
    const access = JSON.parse(text) as Access;
    const { controlCredentials, platformKeyFile } = await secretsIn(join(dataDir, 'secrets'));
    return new LocalOperator(dataDir, access.s3.endpoint, {
      BUCKETS_NATS_URL: access.natsUrl,
      BUCKETS_NATS_CREDS_FILE: controlCredentials.api,
      BUCKETS_POSTGRES_URL: access.postgresUrl,
      BUCKETS_PLATFORM_KEY_FILE: platformKeyFile,
    });
  }

  /** Runs a compiled program of a service. @returns its exit code */
  async run(
    program: string,
    { args = [], settings = {} }: { args?: string[]; settings?: object } = {},
  ): Promise<number> {
    const child = spawn(process.execPath, [join(CLONE, program), ...args], {
      cwd: CLONE,
      env: { ...process.env, ...this.environment, ...settings },
      stdio: 'inherit',
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return code ?? 1;
  }

  /**
   * The credentials of the local buckets and those in the operator's own file, whose word counts, in the form that a restore
   * of the vault takes.
   *
   * @returns the file's path
   */
  async writeBucketCredentials(): Promise<string> {
    const folder = join(this.dataDir, 'secrets');
    const { s3 } = await secretsIn(folder);
    const file = join(folder, 'bucket-credentials.json');
    const local = s3.buckets.map(({ regionId, accessKeyId, secretAccessKey }): [string, object] => [
      regionId,
      { accessKeyId, secretAccessKey },
    ]);
    const all = { ...Object.fromEntries(local), ...(await givenFile(BUCKET_CREDENTIALS_FILE)) };
    await writePrivately(file, JSON.stringify(all));
    return file;
  }

  /**
   * The local regions and buckets, with credentials, and those in the operator's own file, in the form that a recovery takes.
   *
   * @returns the file's path
   */
  async writeBuckets(): Promise<string> {
    const folder = join(this.dataDir, 'secrets');
    const { s3 } = await secretsIn(folder);
    const file = join(folder, 'buckets.json');
    const buckets = s3.buckets.map((bucket) => bucketBody(this.s3Endpoint, bucket));
    const given = await givenFile(RECOVERY_FILE);
    const all = {
      ...given,
      regions: withGiven(REGIONS, given['regions']),
      buckets: withGiven(buckets, given['buckets']),
    };
    await writePrivately(file, JSON.stringify(all));
    return file;
  }
}

/**
 * Runs what the command does, and exits with its code; a failure is one sentence. Where Buckets does not run, as it
 * may refuse to, its NATS, Postgres and S3 are started for just this.
 */
export async function asOperator(work: (operator: LocalOperator) => Promise<number>): Promise<void> {
  try {
    await using _servers = await servers();
    process.exitCode = await work(await LocalOperator.open());
  } catch (error) {
    console.error(failureInWords(error));
    process.exitCode = 1;
  }
}

async function servers(): Promise<AsyncDisposable | undefined> {
  const { dataDir, ports } = stackSettings();
  if (supervisorOf(dataDir) !== undefined) return undefined;
  if (!existsSync(dataDir)) throw new Error(`There is nothing in ${dataDir} yet. Start Buckets with npm start.`);
  console.error('Buckets is not running: its NATS, Postgres and S3 are started for this, and stopped again.');
  const stack = await startStack({ dataDir, ports, services: [] });
  return { [Symbol.asyncDispose]: () => stack.stop() };
}
