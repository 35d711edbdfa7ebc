/** Folders at which the containers of docker-compose.yml mount what is theirs; the set-up sees all of them. */
export const PLACE = {
  /** Only the set-up has this one: everything that must be kept, and must not be known. */
  secrets: '/buckets/secrets',
  nats: '/buckets/nats',
  s3: '/buckets/s3',
  postgres: '/buckets/postgres',
  api: '/buckets/api',
  scheduler: '/buckets/scheduler',
  shareServer: '/buckets/share-server',
  host: (hostId: string) => `/buckets/host-${hostId}`,
} as const;

/** The services run as this user (`node`, in the image of Node.js). */
export const SERVICE_USER = 1000;

export const POSTGRES = { host: 'postgres', port: 5432 };
export const S3_ENDPOINT = 'http://s3:8333';
export const API_URL = 'http://api:8080';
