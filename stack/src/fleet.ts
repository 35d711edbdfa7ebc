import { countText } from '@buckets/contracts';
import { REGIONS, type LocalHost } from './places.js';
import { S3_REGION } from './s3/buckets.js';
import type { BucketIdentity } from './secrets.js';

/** The API refused something that the stack cannot do without. */
export class ApiRefused extends Error {
  readonly code = 'api-refused';
  constructor(
    method: string,
    path: string,
    readonly status: number,
    answer: string,
  ) {
    super(`The API answered ${status} to ${method} ${path}: ${answer.slice(0, 1_000)}`);
    this.name = 'ApiRefused';
  }
}

/** What the API has found in a bucket. */
interface UnknownProjects {
  bucket: string;
  keys: number;
  repositories: number;
  mayBeMore: boolean;
  examples: string[];
}

/** The buckets hold projects that the API does not know: its log and database may be lost, and nothing goes on like that. */
export class ProjectsUnknown extends Error {
  readonly code = 'projects-unknown';
  constructor({ bucket, keys, repositories, mayBeMore, examples }: UnknownProjects) {
    super(
      `The bucket ${bucket} holds the keys of ${countText(keys, 'project')} and the repositories of ${repositories}${mayBeMore ? ', or more,' : ''} ` +
        `that Buckets does not know (such as ${examples.join(', ')}): what NATS and Postgres knew may be lost. It does not ` +
        'go on beside them by itself. Either\n' +
        '  - put copies of the folders of NATS and Postgres back, if you have any. This start has made new, empty ones in ' +
        'their places: put these aside first; or\n' +
        '  - npm run recover-from-buckets, which makes projects, keys and backups known again; or\n' +
        `  - ${FOREIGN_DATA}=accept npm start, which leaves what is there alone and begins with no project.`,
    );
    this.name = 'ProjectsUnknown';
  }
}

/** The word of an operator that buckets are to be used as they are. */
export const FOREIGN_DATA = 'BUCKETS_FOREIGN_DATA';

/** Tells the API about places, buckets and hosts, as an administrator. What is there already stays. */
export class Fleet {
  constructor(
    private readonly apiUrl: string,
    private readonly adminToken: string,
  ) {}

  async addRegions(): Promise<void> {
    await Promise.all(REGIONS.map((region) => this.#post('/v1/regions', region)));
  }

  /**
   * The buckets must be there already.
   *
   * @param foreignData the operator's word that they are to be used, whatever projects they hold
   * @throws {ProjectsUnknown}
   */
  async addBuckets(endpoint: string, buckets: readonly BucketIdentity[], foreignData?: 'accept'): Promise<void> {
    await Promise.all(
      buckets.map((bucket) => {
        const word = foreignData === undefined ? {} : { holdsForeignData: foreignData };
        return this.#post('/v1/buckets', { ...bucketBody(endpoint, bucket), ...word });
      }),
    );
  }

  async addHost({ hostId, name, regionId }: LocalHost): Promise<void> {
    await this.#post('/v1/hosts', { id: hostId, name, regionId });
  }

  /** The text of a NATS credentials file for the host's worker. */
  async credentialsFor(hostId: string): Promise<string> {
    const answer = await this.#post(`/v1/hosts/${hostId}/credentials`, {});
    return (JSON.parse(answer) as { credentials: string }).credentials;
  }

  async #post(path: string, body: object): Promise<string> {
    const response = await fetch(this.apiUrl + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    const answer = await response.text();
    if (response.ok) return answer;
    const { code, found } = problemIn(answer);
    if (code === 'bucket-holds-unknown-projects' && found !== undefined) throw new ProjectsUnknown(found);
    if (response.status !== 409) throw new ApiRefused('POST', path, response.status, answer);
    return answer;
  }
}

/** A bucket of the local stack as the API takes it. */
export function bucketBody(endpoint: string, { regionId, bucket, accessKeyId, secretAccessKey }: BucketIdentity) {
  return { id: regionId, regionId, endpoint, s3Region: S3_REGION, bucket, accessKeyId, secretAccessKey };
}

function problemIn(answer: string): { code?: string; found?: UnknownProjects } {
  try {
    return JSON.parse(answer) as { code?: string; found?: UnknownProjects };
  } catch {
    // Something between may have answered: the caller says what.
    return {};
  }
}
