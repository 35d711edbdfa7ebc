import { newScopedSigner, type Account, type Export, type Import, type SigningKey } from '@nats-io/jwt';
import type { Keys } from './keys.js';

/**
 * Two accounts make the wall. The control plane's has JetStream. The hosts' has none and reaches, as imported
 * services, just the subjects below; a reply subject then belongs to the import and cannot be forged. Within one
 * account a host could have the control plane's rights used for it by naming `$JS.API…` as its reply subject.
 */
export function controlAccount(keys: Keys): Partial<Account> {
  return {
    limits: UNLIMITED_WITH_JETSTREAM,
    exports: FROM_HOSTS.map(({ name, subject, stream }): Export => ({
      name,
      subject,
      type: 'service',
      ...(stream ? { response_type: 'Stream' } : {}),
    })),
    imports: [{ ...TO_HOSTS, type: 'service', account: keys.hosts.getPublicKey(), local_subject: TO_HOSTS.subject }],
  };
}

export function hostsAccount(keys: Keys): Partial<Account> {
  return {
    limits: UNLIMITED,
    signing_keys: [hostRole(keys)],
    exports: [{ ...TO_HOSTS, type: 'service', response_type: 'Stream' }],
    imports: FROM_HOSTS.map(({ name, subject, as }): Import => ({
      name,
      subject,
      local_subject: as ?? subject,
      account: keys.control.getPublicKey(),
      type: 'service',
    })),
  };
}

export function systemAccount(): Partial<Account> {
  return { limits: UNLIMITED };
}

/** In the hosts' account the API of JetStream has another name: under its own, an account without JetStream answers. */
const API_PREFIX_OF_HOSTS = 'CP.API';

/** What the control plane answers, or keeps, for hosts. `stream`: one request may get several answers. */
const FROM_HOSTS: readonly { name: string; subject: string; as?: string; stream?: boolean }[] = [
  {
    name: 'fetch intents',
    subject: '$JS.API.CONSUMER.MSG.NEXT.BUCKETS.*',
    as: `${API_PREFIX_OF_HOSTS}.CONSUMER.MSG.NEXT.BUCKETS.*`,
    stream: true,
  },
  {
    name: 'see own consumers',
    subject: '$JS.API.CONSUMER.INFO.BUCKETS.*',
    as: `${API_PREFIX_OF_HOSTS}.CONSUMER.INFO.BUCKETS.*`,
  },
  { name: 'acknowledge', subject: '$JS.ACK.BUCKETS.*.>' },
  // The form that the server uses with js_ack_fc_v2: domain and account come first.
  { name: 'acknowledge (v2)', subject: '$JS.ACK.*.*.BUCKETS.*.>' },
  { name: 'claim', subject: 'buckets.claim.>' },
  { name: 'report activity', subject: 'buckets.activity.>' },
  { name: 'report progress', subject: 'buckets.progress.>' },
  { name: 'ask', subject: 'buckets.ask.>' },
];

/** What hosts answer for the control plane. */
const TO_HOSTS = { name: 'request', subject: 'buckets.request.>' };

/** A host's user is named by the host's id, and may do just this under that name. */
function hostRole(keys: Keys): SigningKey {
  const id = '{{name()}}';
  const consumers = [`host-${id}`, `host-${id}-cancel`];
  return newScopedSigner(keys.hostsSigning, 'host', {
    pub: {
      allow: [
        ...consumers.flatMap((consumer) => [
          `${API_PREFIX_OF_HOSTS}.CONSUMER.MSG.NEXT.BUCKETS.${consumer}`,
          `${API_PREFIX_OF_HOSTS}.CONSUMER.INFO.BUCKETS.${consumer}`,
          `$JS.ACK.BUCKETS.${consumer}.>`,
          `$JS.ACK.*.*.BUCKETS.${consumer}.>`,
        ]),
        `buckets.claim.${id}.>`,
        `buckets.activity.${id}.>`,
        `buckets.progress.${id}.>`,
        `buckets.ask.${id}.>`,
      ],
    },
    // Requests reach a host from the control plane only, and the import has given their reply subjects.
    resp: { max: 100_000, ttl: 10 * 60 * 1e9 },
    sub: { allow: [`_INBOX.host-${id}.>`, `buckets.request.${id}.>`] },
  });
}

/** A limit that is left out of a token means none at all is allowed. */
const UNLIMITED = {
  data: -1,
  payload: -1,
  subs: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  disallow_bearer: true,
};

const UNLIMITED_WITH_JETSTREAM = {
  ...UNLIMITED,
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  mem_max_stream_bytes: -1,
  disk_max_stream_bytes: -1,
  max_bytes_required: false,
  max_ack_pending: -1,
};
