/** What a problem is made of. */
export interface ProblemInit {
  /** Stable, in lower-case words with hyphens: programs decide by it. */
  readonly code: string;
  /** The HTTP status that says the same. */
  readonly status: number;
  /** A sentence for a person: what is wrong and what to do next. Never a secret. */
  readonly detail: string;
  /** Further members of the answer, such as the id that was not found. */
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/**
 * An error that is told to the caller as it is, as RFC 9457 problem details.
 * Every kind is a class of its own that extends this one; nothing here knows HTTP's libraries.
 */
export class Problem extends Error implements ProblemInit {
  readonly code: string;
  readonly status: number;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;

  constructor({ code, status, detail, extra = {}, retryAfterSeconds, cause }: ProblemInit) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.extra = extra;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  get detail(): string {
    return this.message;
  }
}

/** A part that this service depends on does not answer. Trying again later may help. */
export class DependencyUnavailable extends Problem {
  constructor(dependency: string, options: { readonly cause?: unknown } = {}) {
    super({
      code: 'dependency-unavailable',
      status: 503,
      detail: `${dependency} cannot be reached at the moment. Nothing is known to be lost; try again shortly.`,
      extra: { dependency },
      retryAfterSeconds: 5,
      cause: options.cause,
    });
  }
}

/** One part of a request that is wrong: `pointer` is a JSON pointer into the body, query or path parameters. */
export interface InvalidPart {
  readonly pointer: string;
  readonly in: 'body' | 'query' | 'path';
  readonly detail: string;
}

/** A request whose fields are missing, unknown or wrong. */
export class InvalidRequest extends Problem {
  constructor(errors: readonly InvalidPart[]) {
    const first = errors[0]?.detail ?? 'it is not what this address takes';
    super({
      code: 'invalid-request',
      status: 400,
      detail: `The request is not valid: ${first}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}.`,
      extra: { errors },
    });
  }
}

/** A text with a character that databases cannot keep: NUL, or half of a surrogate pair. */
export class UnstorableText extends Problem {
  constructor(options: { readonly cause?: unknown } = {}) {
    super({
      code: 'unstorable-text',
      status: 400,
      detail: 'A text holds a NUL character or half of a surrogate pair. Send it without.',
      cause: options.cause,
    });
  }
}

/** Problem details as they are sent (RFC 9457, section 3). */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly instance?: string;
  readonly [extra: string]: unknown;
}

/** The answer to a problem. `instance` is the path that was asked for. */
export function problemDetails(problem: Problem, instance?: string): ProblemDetails {
  return {
    ...problem.extra,
    type: `urn:buckets:problem:${problem.code}`,
    title: titleOf(problem.code),
    status: problem.status,
    code: problem.code,
    detail: problem.detail,
    ...(instance === undefined ? {} : { instance }),
  };
}

function titleOf(code: string): string {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
