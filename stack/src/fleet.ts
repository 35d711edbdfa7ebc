import { S3_REGION } from './s3/buckets.js';
import type { BucketIdentity } from './secrets.js';

/** The places and hosts of the local stack. */
export const REGIONS = [
  { id: 'eu-west', name: 'Europe (Dublin)', latitude: 53.35, longitude: -6.26 },
  { id: 'us-east', name: 'America (Virginia)', latitude: 39.04, longitude: -77.49 },
] as const;

export type RegionId = (typeof REGIONS)[number]['id'];

export interface LocalHost {
  readonly hostId: string;
  readonly name: string;
  readonly regionId: string;
}

export const HOSTS: readonly LocalHost[] = [
  { hostId: 'eu-1', name: 'First host in Dublin', regionId: 'eu-west' },
  { hostId: 'us-1', name: 'First host in Virginia', regionId: 'us-east' },
];

/** The API refused something that the stack cannot do without. */
export class ApiRefused extends Error {
  readonly code = 'api-refused';
  constructor(method: string, path: string, status: number, answer: string) {
    super(`The API answered ${status} to ${method} ${path}: ${answer.slice(0, 1_000)}`);
    this.name = 'ApiRefused';
  }
}

/** Tells the API about places, buckets and hosts, as an administrator. What is there already stays. */
export class Fleet {
  constructor(
    private readonly apiUrl: string,
    private readonly adminToken: string,
  ) {}

  async addRegions(): Promise<void> {
    await Promise.all(REGIONS.map((region) => this.#post('/v1/regions', region)));
  }

  /** The buckets must be there already. */
  async addBuckets(endpoint: string, buckets: readonly BucketIdentity[]): Promise<void> {
    await Promise.all(
      buckets.map(({ regionId, bucket, accessKeyId, secretAccessKey }) => {
        const body = { id: regionId, regionId, endpoint, s3Region: S3_REGION, bucket, accessKeyId, secretAccessKey };
        return this.#post('/v1/buckets', body);
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
    if (!response.ok && response.status !== 409) throw new ApiRefused('POST', path, response.status, answer);
    return answer;
  }
}
