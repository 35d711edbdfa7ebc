import { REFUSED_SKEW_MS, skewInWords } from '@buckets/object-storage';

/**
 * Why a run failed: stable names, whether trying again can help, and what a person should do.
 * Trying again never helps for ever: whoever retries has a limit and a back-off.
 */
export const FAILURES = {
  'storage-unreachable': {
    canPass: true,
    advice: 'The object storage could not be reached. Check its endpoint and the network of this host.',
  },
  'storage-throttled': {
    canPass: true,
    advice: 'The object storage asked for fewer requests. Try later, or run fewer backups at once.',
  },
  'storage-failing': {
    canPass: true,
    advice: 'The object storage answered with an error of its own. Try later, or ask its operator.',
  },
  'access-expired': { canPass: true, advice: 'The access to the object storage has expired. Ask for a new grant.' },
  'access-denied': {
    canPass: false,
    advice: 'The object storage refused the access. Check the bucket, its credentials and what they may do.',
  },
  'clock-skewed': {
    canPass: false,
    advice: "This host's clock differs from the object storage's, which refuses what it signs. Set the clock.",
  },
  'storage-full': { canPass: false, advice: 'The object storage has no room or quota left. Make room there.' },
  'wrong-key': { canPass: false, advice: "The key does not open the repository. Check which project's key was given." },
  'repository-missing': {
    canPass: false,
    advice: 'There is no repository at this place. It has to be initialised first.',
  },
  'repository-changed': {
    canPass: true,
    advice: 'The repository was reorganised while it was read (a prune). Try again.',
  },
  'repository-damaged': {
    canPass: false,
    advice:
      'A part of the repository is missing or damaged. POST /v1/projects/{id}/verify tells which backups that affects. The ' +
      'next backup mends what it can; where the data are on no host, a restore of a damaged backup by its id brings back ' +
      'what can be read of it.',
  },
  'snapshot-missing': { canPass: false, advice: 'The repository holds no such backup. Choose another one.' },
  'path-missing': { canPass: false, advice: 'The backup holds no such path. Choose one that it lists.' },
  'source-missing': { canPass: false, advice: 'The folder to back up is not there. Nothing was backed up.' },
  'source-denied': {
    canPass: false,
    advice: 'The folder to back up may not be read. Check its owner, mode and mount. Nothing was backed up.',
  },
  'destination-not-empty': {
    canPass: false,
    advice: 'The folder to restore into holds files. Restore into an empty one.',
  },
  'destination-denied': {
    canPass: false,
    advice: 'The folder to restore into cannot be written. Check its owner, mode and mount.',
  },
  'disk-full': { canPass: false, advice: 'The disk of this host is full. Make room.' },
  'out-of-memory': { canPass: true, advice: 'There was too little memory. Run fewer jobs at once, or add memory.' },
  killed: { canPass: true, advice: 'The process was killed, most often for want of memory. Run fewer jobs at once.' },
  interrupted: { canPass: true, advice: 'Somebody else ended the process before it was done. Try again.' },
  crashed: { canPass: true, advice: 'A fault of its own ended rustic. Try again, and report it if it stays.' },
  'rustic-missing': { canPass: false, advice: 'The rustic program is not there or cannot be run. Install it.' },
  'rejected-arguments': {
    canPass: false,
    advice: 'The arguments were not accepted. Check that this version of rustic is the supported one.',
  },
  unknown: {
    canPass: true,
    advice: 'The run failed for a reason that is not known here. Read the last messages of rustic.',
  },
} as const satisfies Record<string, { canPass: boolean; advice: string }>;

export type FailureClass = keyof typeof FAILURES;

/** What is known of a failed run. `stderrTail` may hold names of people's files. */
export interface Failure {
  class: FailureClass;
  /** Whether the same run may succeed when it is tried again later. */
  canPass: boolean;
  /** A sentence for people: what happened, and what to do. */
  reason: string;
  /** The end of what rustic wrote about it, without secrets, at most 4,000 characters. */
  stderrTail: string;
}

export function failure(failureClass: FailureClass, stderrTail = '', clockSkewMs?: number): Failure {
  const { canPass, advice } = FAILURES[failureClass];
  const by = failureClass === 'clock-skewed' && clockSkewMs !== undefined ? ` It is ${skewInWords(clockSkewMs)}.` : '';
  return { class: failureClass, canPass, reason: `${advice}${by}`, stderrTail };
}

/** Thrown by the calls that return a value, when the run failed. */
export class RusticFailure extends Error {
  readonly code: `rustic-${FailureClass}`;

  constructor(readonly failure: Failure) {
    super(failure.reason);
    this.name = 'RusticFailure';
    this.code = `rustic-${failure.class}`;
  }
}

/** How a process ended, as far as the reason for a failure goes. */
export interface EndOfProcess {
  exitCode?: number;
  signal?: string;
  /** The system's error code when the process could not be started at all. */
  startError?: string;
}

/** What is known of a run besides what it said. */
export interface Circumstances {
  /** The command, as its first argument names it. */
  command?: string;
  /** Whether the storage was reached with credentials that expire. */
  temporaryAccess?: boolean;
  /** How far this host's clock is ahead of the storage's, where that was looked at; negative: behind. */
  clockSkewMs?: number;
}

/**
 * Finds the class of a failure from how the process ended and from its error messages. Pure.
 *
 * A request without a body, as rustic's first, is refused without a reason. A clock that is wrong is one; else, with
 * credentials that expire, their end is the likely one.
 */
export function classify(end: EndOfProcess, errors: readonly string[], about: Circumstances = {}): FailureClass {
  if (end.startError !== undefined) return START_ERRORS[end.startError] ?? 'rustic-missing';
  const sign = SIGNS.find(([pattern]) => errors.some((error) => pattern.test(error)))?.[1];
  if (sign === 'access-denied' && !errors.some((error) => /S3Error \{/.test(error))) {
    if (Math.abs(about.clockSkewMs ?? 0) >= REFUSED_SKEW_MS) return 'clock-skewed';
    if (about.temporaryAccess === true) return 'access-expired';
  }
  if (sign === 'path-denied') return whatIsDenied(errors, about.command);
  return sign ?? classOfEnd(end, errors.length > 0);
}

/** A restore writes into its destination; of a backup's source rustic says so. Nothing else touches what is a project's. */
function whatIsDenied(errors: readonly string[], command: string | undefined): FailureClass {
  if (command === 'restore') return 'destination-denied';
  return command === 'backup' && errors.some((error) => error.startsWith('error backing up '))
    ? 'source-denied'
    : 'unknown';
}

/** Whether the run was refused for a reason that may be the clock. */
export function mayBeTheClock(failureClass: FailureClass): boolean {
  return failureClass === 'access-denied' || failureClass === 'access-expired' || failureClass === 'clock-skewed';
}

function classOfEnd({ exitCode, signal }: EndOfProcess, saidWhy: boolean): FailureClass {
  if (signal === 'SIGKILL') return 'killed';
  if (signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') return 'interrupted';
  if (signal !== undefined) return 'crashed';
  // After SIGTERM and SIGINT rustic ends with 0, as if all had been done.
  if (exitCode === 0) return saidWhy ? 'unknown' : 'interrupted';
  return exitCode === 2 ? 'rejected-arguments' : 'unknown';
}

const START_ERRORS: Record<string, FailureClass> = {
  EAGAIN: 'out-of-memory',
  ENOMEM: 'out-of-memory',
  E2BIG: 'rejected-arguments',
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
};

/** In this order: storage comes first, since a listing that failed makes a sound repository look damaged later on. */
const SIGNS: [RegExp, FailureClass | 'path-denied'][] = [
  [/memory allocation of \d+ bytes failed|Cannot allocate memory|os error 12\b/, 'out-of-memory'],
  [/No space left on device|os error 28\b|Disk quota exceeded|os error 122\b/, 'disk-full'],
  [/code: "(ExpiredToken|ExpiredTokenException|TokenRefreshRequired|RequestExpired)"/, 'access-expired'],
  [/code: "RequestTimeTooSkewed"/, 'clock-skewed'],
  [
    /status: 507|code: "(InsufficientStorage|QuotaExceeded|XMinioStorageFull|ServiceQuotaExceededException)"/,
    'storage-full',
  ],
  [/\bRateLimited \(|status: (429|503)|code: "(SlowDown|TooManyRequests|Throttling\w*)"/, 'storage-throttled'],
  [/status: 5\d\d|code: "InternalError"/, 'storage-failing'],
  [/code: "NoSuchBucket"/, 'repository-missing'],
  [
    /\bPermissionDenied \((persistent|permanent|temporary)\)|status: 40[13]|code: "(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken)"/,
    'access-denied',
  ],
  [
    /send http request|error sending request|called: reqwest::send|read data from http response|dns error|connection (refused|reset|closed)/i,
    'storage-unreachable',
  ],
  [/No repository config file found/, 'repository-missing'],
  [/error processing Config|Error deserializing key|related to `credentials handling`/, 'wrong-key'],
  [/snapshots\/[0-9a-f]{64}[^]*(NotFound \(|No such file or directory)|No suitable id found/, 'snapshot-missing'],
  [/Node `[^]*` not found in tree/, 'path-missing'],
  [/index\/[0-9a-f]{64}[^]*(NotFound \(|No such file or directory)/, 'repository-changed'],
  [/data\/[0-9a-f]{2}\/[0-9a-f]{64}[^]*(NotFound \(|No such file or directory)/, 'repository-damaged'],
  [/MAC check failed|not found in (the )?index|check found errors|C001/, 'repository-damaged'],
  [/error sanitizing source/, 'source-missing'],
  [
    /Read-only file system|Permission denied|Operation not permitted|Not a directory|os error (1|13|20|30)\b/,
    'path-denied',
  ],
  [/panicked at/, 'crashed'],
];
