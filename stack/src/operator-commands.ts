import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accessFileIn, type Access } from './access.js';
import { CLONE } from './clone.js';
import { writePrivately } from './private-files.js';
import { secretsIn } from './secrets.js';
import { stackSettings } from './stack-settings.js';
import { supervisorOf } from './supervisor-record.js';

/** What an operator's command of a service is run with on the local stack, which has to be running. */
export class LocalOperator {
  private constructor(
    readonly dataDir: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async open(): Promise<LocalOperator> {
    const { dataDir } = stackSettings();
    if (supervisorOf(dataDir) === undefined) {
      throw new Error('Buckets is not running here: its NATS and Postgres are needed. Start it with npm start.');
    }
    const access = JSON.parse(await readFile(accessFileIn(dataDir), 'utf8')) as Access;
    const { controlCredentials, platformKeyFile } = await secretsIn(join(dataDir, 'secrets'));
    return new LocalOperator(dataDir, {
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

  /** The credentials of the local buckets, in the form that a restore of the vault takes. @returns the file's path */
  async writeBucketCredentials(): Promise<string> {
    const folder = join(this.dataDir, 'secrets');
    const { s3 } = await secretsIn(folder);
    const file = join(folder, 'bucket-credentials.json');
    const credentials = s3.buckets.map(({ regionId, accessKeyId, secretAccessKey }) => [
      regionId,
      { accessKeyId, secretAccessKey },
    ]);
    await writePrivately(file, JSON.stringify(Object.fromEntries(credentials)));
    return file;
  }
}

/** Runs what the command does, and exits with its code; a failure is one sentence. */
export async function asOperator(work: (operator: LocalOperator) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work(await LocalOperator.open());
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
