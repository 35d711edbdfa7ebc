/** Somebody else has appended to the same thing first: decide again on the newer state. */
export class PositionMoved extends Error {
  readonly code = 'position-moved';
  constructor(
    readonly thing: string,
    readonly id: string,
    readonly expected: number,
  ) {
    super(`The ${thing} ${id} has newer events than position ${expected}.`);
    this.name = 'PositionMoved';
  }
}

/** The server did not take the facts, and will not until an operator acts: they are not stored. */
export class LogRefused extends Error {
  readonly code = 'log-refused';
  constructor(readonly reason: string) {
    super(`The log refuses new entries: ${reason}. Free or enlarge its storage.`);
    this.name = 'LogRefused';
  }
}

/** No answer within the deadline. Whether the facts are stored is unknown; the same command may be sent again. */
export class LogUnreachable extends Error {
  readonly code = 'log-unreachable';
  constructor(cause: unknown) {
    super('The log (NATS JetStream) cannot be reached. Try again in a moment.', { cause });
    this.name = 'LogUnreachable';
  }
}

/** The tables have not caught up with a position within the deadline. */
export class ProjectionBehind extends Error {
  readonly code = 'projection-behind';
  constructor(
    readonly projection: string,
    readonly wanted: number,
    readonly reached: number,
  ) {
    super(
      `The tables (projection ${projection}) are at position ${reached}, not yet at ${wanted}. Try again in a moment.`,
    );
    this.name = 'ProjectionBehind';
  }
}

/** What is wrong with a log, in the eyes of tables that were made from one: it is gone, an older copy, or another one. */
export type Mismatch = 'missing' | 'older' | 'another';

const ADVICE: Record<Mismatch, string> = {
  missing:
    'Nothing is made in its place. If the folder of NATS still exists somewhere, put it back; else run ' +
    '`npm run restore-log`, which makes the log again from the journal in Postgres.',
  older:
    'Run `npm run restore-log`, which appends from the journal in Postgres what the log lacks. Only if that is to be ' +
    'forgotten run `npm run rebuild-projections` instead.',
  another:
    'If the log is the right one, run `npm run rebuild-projections`; if the tables are, put the folder of NATS aside ' +
    'while it is stopped, and run `npm run restore-log`.',
};

/** The log is not the one that the tables were made from. Nothing is written to either until an operator decides. */
export class LogMismatch extends Error {
  readonly code = 'log-mismatch';
  readonly needsOperator = true;
  constructor(
    readonly projection: string,
    readonly kind: Mismatch,
    reason: string,
  ) {
    super(`The tables do not belong to this log (projection ${projection}): ${reason}. ${ADVICE[kind]}`);
    this.name = 'LogMismatch';
  }
}

/** The log cannot be made from the journal as things are; nothing was appended. */
export class LogNotRestorable extends Error {
  readonly code = 'log-not-restorable';
  constructor(reason: string) {
    super(reason);
    this.name = 'LogNotRestorable';
  }
}

/** The log lacks messages that were in it: it was cut or restored in part. */
export class LogGap extends Error {
  readonly code = 'log-gap';
  readonly needsOperator = true;
  constructor(
    readonly missing: number,
    readonly found: number,
  ) {
    super(
      `The log has no message at position ${missing}; the next one is at ${found}. Restore the log, then start again.`,
    );
    this.name = 'LogGap';
  }
}

/** Another process writes the tables and does not let go of them. */
export class ProjectionLed extends Error {
  readonly code = 'projection-led';
  constructor(
    readonly projection: string,
    who: string,
  ) {
    super(
      `The tables (projection ${projection}) are being written by ${who}, which does not give way. Stop it, then try again.`,
    );
    this.name = 'ProjectionLed';
  }
}
