import { isId } from './ids.js';
import type { ActivityName, AskName, ClaimType, IntentKind, RequestName, Thing } from './vocabulary.js';

export const STREAM = {
  log: 'BUCKETS',
  claims: 'BUCKETS_CLAIMS',
  activity: 'BUCKETS_ACTIVITY',
  progress: 'BUCKETS_PROGRESS',
  deadLetters: 'BUCKETS_DEAD_LETTERS',
} as const;

/** In place of a project's id where a message concerns the host as a whole. */
export const NO_PROJECT = '_';

/** The subjects of every message. Tokens are checked here, so that no id can smuggle a wildcard or another token in. */
export const subjects = {
  event: (thing: Thing, id: string, type: string) => `buckets.event.${thing}.${token(id)}.${token(type)}`,
  eventsOf: (thing: Thing, id: string) => `buckets.event.${thing}.${token(id)}.>`,
  allEvents: 'buckets.event.>',
  intent: (hostId: string, projectId: string, kind: IntentKind) =>
    `buckets.intent.${token(hostId)}.${token(projectId)}.${kind}`,
  intentsOf: (hostId: string, kind: IntentKind | '*') => `buckets.intent.${token(hostId)}.*.${kind}`,
  allIntents: 'buckets.intent.>',
  claim: (hostId: string, projectId: string, type: ClaimType) =>
    `buckets.claim.${token(hostId)}.${projectToken(projectId)}.${type}`,
  allClaims: 'buckets.claim.>',
  activity: (hostId: string, projectId: string) => `buckets.activity.${token(hostId)}.${projectToken(projectId)}`,
  allActivity: 'buckets.activity.>',
  progress: (hostId: string, operationId: string) => `buckets.progress.${token(hostId)}.${token(operationId)}`,
  allProgress: 'buckets.progress.>',
  request: (hostId: string, name: RequestName) => `buckets.request.${token(hostId)}.${name}`,
  requestsTo: (hostId: string) => `buckets.request.${token(hostId)}.>`,
  ask: (hostId: string, name: AskName) => `buckets.ask.${token(hostId)}.${name}`,
  allAsks: 'buckets.ask.>',
  command: (name: string) => `buckets.command.${token(name)}`,
  allCommands: 'buckets.command.>',
  deadLetter: (source: string) => `buckets.dead-letter.${token(source)}`,
  allDeadLetters: 'buckets.dead-letter.>',
} as const;

/** The durable pull consumers of one host: work in order, and cancels, which never wait behind what they cancel. */
export const hostConsumer = {
  work: (hostId: string) => `host-${token(hostId)}`,
  cancel: (hostId: string) => `host-${token(hostId)}-cancel`,
} as const;

/** The durable consumer from which the copies of the API share the claims. */
export const CLAIMS_CONSUMER = 'claims';

export type ParsedSubject =
  | { family: 'event'; thing: string; id: string; type: string }
  | { family: 'intent'; hostId: string; projectId: string; kind: string }
  | { family: 'claim'; hostId: string; projectId: string; type: string }
  | { family: 'activity'; hostId: string; projectId: string; name: ActivityName }
  | { family: 'progress'; hostId: string; operationId: string }
  | { family: 'ask' | 'request'; hostId: string; name: string };

/** Identity comes from the subject only. Null for a subject that is none of ours. */
export function parseSubject(subject: string): ParsedSubject | null {
  const [root, family, a, b, c, ...rest] = subject.split('.');
  if (root !== 'buckets' || rest.length > 0 || a === undefined || b === undefined) return null;
  switch (family) {
    case 'event':
      return c === undefined ? null : { family, thing: a, id: b, type: c };
    case 'intent':
      return c === undefined ? null : { family, hostId: a, projectId: b, kind: c };
    case 'claim':
      return c === undefined ? null : { family, hostId: a, projectId: b, type: c };
    case 'activity':
      return c === undefined ? { family, hostId: a, projectId: b, name: b === NO_PROJECT ? 'host' : 'project' } : null;
    case 'progress':
      return c === undefined ? { family, hostId: a, operationId: b } : null;
    case 'ask':
    case 'request':
      return c === undefined ? { family, hostId: a, name: b } : null;
    default:
      return null;
  }
}

function token(value: string): string {
  if (!isId(value)) throw new TypeError(`Not usable as a token of a subject: ${JSON.stringify(value).slice(0, 80)}.`);
  return value;
}

function projectToken(value: string): string {
  return value === NO_PROJECT ? value : token(value);
}
