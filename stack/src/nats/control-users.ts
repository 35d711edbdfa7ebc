import { join } from 'node:path';
import type { Permissions } from '@nats-io/jwt';
import { keptText } from '../private-files.js';
import { accountCredentials } from './credentials.js';
import type { Keys } from './keys.js';

export type ControlUser = keyof typeof CONTROL_USERS;

/** Only the API appends to the log; the others read it and ask the API. Only the scheduler confirms freshness. */
const CONTROL_USERS = {
  admin: {},
  /** It shows what the scheduler confirms: that is not for itself to say. */
  api: { pub: { deny: ['buckets.confirmation.>'] } },
  scheduler: {
    pub: {
      deny: [
        'buckets.event.>',
        'buckets.intent.>',
        'buckets.claim.>',
        '$JS.API.STREAM.CREATE.>',
        '$JS.API.STREAM.UPDATE.>',
        '$JS.API.STREAM.DELETE.>',
        '$JS.API.STREAM.PURGE.>',
        '$JS.API.STREAM.MSG.DELETE.>',
      ],
    },
  },
  'share-server': {
    pub: {
      allow: [
        '$JS.API.INFO',
        '$JS.API.STREAM.INFO.>',
        '$JS.API.STREAM.NAMES',
        '$JS.API.STREAM.MSG.GET.>',
        '$JS.API.DIRECT.GET.>',
        '$JS.API.CONSUMER.>',
        '$JS.ACK.>',
        '$JS.FC.>',
      ],
    },
  },
} satisfies Record<string, Partial<Permissions>>;

/** The credentials files of the control plane's users, made once: name to path. */
export async function controlCredentials(keys: Keys, secretsFolder: string): Promise<Record<ControlUser, string>> {
  const files = await Promise.all(
    Object.entries(CONTROL_USERS).map(async ([name, permissions]) => {
      const file = join(secretsFolder, `${name}.creds`);
      await keptText(file, () => accountCredentials(keys.control, name, permissions));
      return [name, file] as const;
    }),
  );
  return Object.fromEntries(files) as Record<ControlUser, string>;
}
