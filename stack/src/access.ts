import { join } from 'node:path';

/** What a program needs to use a running stack: `.data/access.json`. Other people's programs read it. */
export interface Access {
  apiUrl: string;
  webUrl: string;
  shareUrl: string;
  adminToken: string;
  natsUrl: string;
  /** Path of a credentials file of the control plane's account. */
  natsAdminCreds: string;
  postgresUrl: string;
  s3: {
    endpoint: string;
    region: string;
    accessKeyId: string;
    secretAccessKey: string;
    buckets: string[];
  };
  rusticPath: string;
  hosts: { hostId: string; dataRoot: string; pid: number | null }[];
  services: { name: string; pid: number | null }[];
}

export function accessFileIn(dataDir: string): string {
  return join(dataDir, 'access.json');
}
