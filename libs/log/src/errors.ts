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
    super(`The tables of ${projection} are at position ${reached}, not yet at ${wanted}. Try again in a moment.`);
    this.name = 'ProjectionBehind';
  }
}

/** The tables were made from another log, or from a newer state of this one. Nothing is written until an operator decides. */
export class LogMismatch extends Error {
  readonly code = 'log-mismatch';
  constructor(
    readonly projection: string,
    reason: string,
  ) {
    super(
      `The tables of ${projection} do not belong to this log: ${reason}. ` +
        'If the log is the right one, run `npm run rebuild-projections`; if the tables are, restore the log first.',
    );
    this.name = 'LogMismatch';
  }
}

/** The log lacks messages that were in it: it was cut or restored in part. */
export class LogGap extends Error {
  readonly code = 'log-gap';
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
    super(`The tables of ${projection} are being written by ${who}, which does not give way. Stop it, then try again.`);
    this.name = 'ProjectionLed';
  }
}
