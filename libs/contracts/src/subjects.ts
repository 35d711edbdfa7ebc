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
/** In place of a host's id where a message concerns all of them. */
export const NO_HOST = '_';

/** The subjects of every message. Tokens are checked here, so that no id can smuggle a wildcard or another token in. */
export const subjects = {
  event: (thing: Thing, id: string, type: string) => `buckets.event.${thing}.${token(id)}.${token(type)}`,
  eventsOf: (thing: Thing, id: string) => `buckets.event.${thing}.${token(id)}.>`,
  anyApiKeyRevoked: 'buckets.event.api-key.*.revoked',
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
  /** Out of the reach of hosts: what they tell themselves is activity. */
  confirmation: (hostId: string) => `buckets.confirmation.${hostId === NO_HOST ? NO_HOST : token(hostId)}`,
  allConfirmations: 'buckets.confirmation.*',
  progress: (hostId: string, operationId: string) => `buckets.progress.${token(hostId)}.${token(operationId)}`,
  allProgress: 'buckets.progress.>',
  request: (hostId: string, name: RequestName) => `buckets.request.${token(hostId)}.${name}`,
  requestsTo: (hostId: string) => `buckets.request.${token(hostId)}.>`,
  ask: (hostId: string, name: AskName) => `buckets.ask.${token(hostId)}.${name}`,
  allAsks: 'buckets.ask.>',
  command: (name: string) => `buckets.command.${token(name)}`,
  allCommands: 'buckets.command.>',
  /** Of a stream's reader, or of one host. */
  deadLetter: (source: string, hostId?: string) =>
    `buckets.dead-letter.${token(source)}${hostId === undefined ? '' : `.${token(hostId)}`}`,
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
  | { family: 'confirmation'; hostId: string }
  | { family: 'progress'; hostId: string; operationId: string }
  | { family: 'ask' | 'request'; hostId: string; name: string };

/** Identity comes from the subject only. Null for a subject that is none of ours, or whose tokens are no ids. */
export function parseSubject(subject: string): ParsedSubject | null {
  const [root, family, ...tokens] = subject.split('.');
  const mayConcernHost = family === 'claim' || family === 'activity';
  const isToken = (token: string, index: number) =>
    isId(token) ||
    (token === NO_PROJECT && index === 1 && mayConcernHost) ||
    (token === NO_HOST && index === 0 && family === 'confirmation');
  if (root !== 'buckets' || !tokens.every(isToken)) return null;
  const [a, b, c] = tokens as [string, string, string];
  switch (`${family}/${tokens.length}`) {
    case 'event/3':
      return { family: 'event', thing: a, id: b, type: c };
    case 'intent/3':
      return { family: 'intent', hostId: a, projectId: b, kind: c };
    case 'claim/3':
      return { family: 'claim', hostId: a, projectId: b, type: c };
    case 'activity/2':
      return { family: 'activity', hostId: a, projectId: b, name: b === NO_PROJECT ? 'host' : 'project' };
    case 'confirmation/1':
      return { family: 'confirmation', hostId: a };
    case 'progress/2':
      return { family: 'progress', hostId: a, operationId: b };
    case 'ask/2':
    case 'request/2':
      return { family: family as 'ask' | 'request', hostId: a, name: b };
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
