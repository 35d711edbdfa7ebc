import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { Backoff } from '@buckets/patience';
import { LogNotRestorable, LogRefused, LogUnreachable } from './errors.js';
import { readLog } from './log-reader.js';
import { hashOf, type StoredPosition } from './position.js';
import type { LogMessage } from './projection.js';
import { publishTogether, REFUSED, type Publishable } from './publish-together.js';
import { identify, logIdentity, provisionStreams, streamInfo, type StreamLimits } from './streams.js';

/** The messages of a log as they are kept elsewhere. */
export interface Journal {
  /** Those of these positions that it has, in order, in batches of up to 500. */
  read(range: Positions): AsyncIterable<LogMessage[]>;
  /** The first of the runs of positions that it lacks, 10 at most. */
  missing(range: Positions): Promise<Positions[]>;
}

/** Both are included. */
export interface Positions {
  from: number;
  to: number;
}

export interface RestoreOptions {
  nats: NatsConnection;
  jsm: JetStreamManager;
  journal: Journal;
  /** How far the tables that belong to the journal have come in which log. */
  known: StoredPosition;
  limits?: StreamLimits;
  /** Called every now and then. */
  onProgress?: (progress: { doing: 'comparing' | 'appending'; position: number; of: number }) => void;
}

export interface Restored {
  /** What was found. */
  found: 'no log' | 'an empty log' | 'an older copy' | 'a whole log';
  /** Messages that were there, and equal those of the journal. */
  compared: number;
  appended: number;
  /** Of the last message of the log. */
  position: number;
  /** Runs of positions that the log has and the journal lacks. */
  onlyInLog: Positions[];
  /** That the appending took. */
  seconds: number;
}

const TOGETHER = { messages: 500, bytes: 4 * 1024 ** 2 };
const PUBLISH_TIMEOUT_MS = 10_000;
const MAX_TRIES = 8;
const BETWEEN_TRIES = new Backoff({ firstMs: 250, maxMs: 4_000 });
/** Messages that are read back at the end, beside the last one. */
const SAMPLE = 100;

/**
 * Makes a log that was lost again from its journal, or completes an older copy of it: the same messages at the same
 * positions under the same identity, so that whoever has read it goes on where he was. What is there already is
 * compared first, all of it. It appends in order and in atomic batches, each on the condition that the log ends where
 * the batch begins: it may be interrupted at any moment, and repeated.
 *
 * When the server stored a message is not restored: it stores it now.
 *
 * @throws {LogNotRestorable} with what to do; nothing has been changed then
 * @throws {LogRefused} {LogUnreachable} what was appended until then is there; run it again
 */
export async function restoreLog(options: RestoreOptions): Promise<Restored> {
  const { jsm, journal, known, limits } = options;
  if (known.position === 0) {
    throw new LogNotRestorable('The tables know no log, so there is none to restore: start the API, which makes one.');
  }
  const info = await streamInfo(jsm, STREAM.log);
  const last = info === null ? 0 : restorableEnd(info, known);
  await checkJournal(journal, known, last);
  const { compared, onlyInLog } = await compare(options, Math.min(last, known.position));

  if (info !== null && logIdentity(info) !== known.identity) await identify(jsm, info, known.identity);
  await provisionStreams(jsm, limits, known.identity);
  const startedAt = performance.now();
  await append(options, last + 1);
  const seconds = (performance.now() - startedAt) / 1000;
  const position = await verify(options, last);
  const appended = Math.max(0, known.position - last);
  return { found: nameOf(info, known), compared, appended, position, onlyInLog, seconds };
}

function nameOf(info: StreamInfo | null, { position }: StoredPosition): Restored['found'] {
  if (info === null) return 'no log';
  if (info.state.last_seq === 0) return 'an empty log';
  return info.state.last_seq < position ? 'an older copy' : 'a whole log';
}

/** Where the log that is there ends. @throws {LogNotRestorable} when it cannot be a part of the one that is wanted */
function restorableEnd(info: StreamInfo, { identity }: StoredPosition): number {
  const { state } = info;
  if (state.last_seq === 0) return 0;
  const putAside =
    'Stop NATS, put its folder aside, start it, and run this again. If the log is the right one, run ' +
    '`npm run rebuild-projections` instead.';
  if (logIdentity(info) !== identity) {
    throw new LogNotRestorable(`There is another log, of ${state.messages} messages. ${putAside}`);
  }
  if (state.first_seq !== 1 || state.messages !== state.last_seq) {
    throw new LogNotRestorable(
      `The log that is there lacks messages: it has ${state.messages} from ${state.first_seq} to ${state.last_seq}. ` +
        putAside,
    );
  }
  return state.last_seq;
}

async function checkJournal(journal: Journal, { position, hash }: StoredPosition, last: number): Promise<void> {
  if (last >= position) return;
  const missing = await journal.missing({ from: last + 1, to: position });
  if (missing.length > 0) {
    throw new LogNotRestorable(
      `The journal lacks the positions ${named(missing)}. Put back a copy of the folder of NATS that has them, ` +
        'or a copy of Postgres whose journal has them, and run this again.',
    );
  }
  for await (const [message] of journal.read({ from: position, to: position })) {
    if (message !== undefined && hashOf(message) === hash) return;
  }
  throw new LogNotRestorable(
    `The journal and the tables do not belong together: at position ${position} it has another message than they ` +
      'were made from. Put back a copy of Postgres in which they do.',
  );
}

/** Compares every message that is there with the journal's. */
async function compare(
  { nats, jsm, journal, onProgress }: RestoreOptions,
  to: number,
): Promise<{ compared: number; onlyInLog: Positions[] }> {
  if (to === 0) return { compared: 0, onlyInLog: [] };
  const reading = new AbortController();
  const kept = singly(journal.read({ from: 1, to }));
  let next = await kept.next();
  let compared = 0;
  try {
    for await (const batch of readLog(jetstream(nats), jsm, { from: 1, to, signal: reading.signal })) {
      for (const message of batch) {
        if (next.done === true || next.value.position > message.position) continue;
        if (hashOf(next.value) !== hashOf(message)) {
          throw new LogNotRestorable(
            `The log that is there is not an older copy: at position ${message.position} it has another message than ` +
              'the journal. Stop NATS, put its folder aside, start it, and run this again. If the log is the right ' +
              'one, run `npm run rebuild-projections` instead.',
          );
        }
        compared++;
        next = await kept.next();
      }
      onProgress?.({ doing: 'comparing', position: batch.at(-1)!.position, of: to });
    }
  } finally {
    reading.abort();
    await kept.return(undefined);
  }
  return { compared, onlyInLog: compared === to ? [] : await journal.missing({ from: 1, to }) };
}

async function* singly(batches: AsyncIterable<LogMessage[]>): AsyncGenerator<LogMessage, undefined> {
  for await (const batch of batches) yield* batch;
  return undefined;
}

async function append({ nats, jsm, journal, known, onProgress }: RestoreOptions, from: number): Promise<void> {
  if (from > known.position) return;
  for await (const batch of journal.read({ from, to: known.position })) {
    for (const part of parts(batch)) {
      await appendOnce(nats, jsm, part);
      onProgress?.({ doing: 'appending', position: part.at(-1)!.position, of: known.position });
    }
  }
}

/** Messages for one atomic batch each. */
function* parts(messages: readonly LogMessage[]): Generator<LogMessage[]> {
  let part: LogMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (part.length === TOGETHER.messages || (part.length > 0 && bytes + message.bytes.length > TOGETHER.bytes)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(message);
    bytes += message.bytes.length;
  }
  if (part.length > 0) yield part;
}

/** All or nothing, and only behind the message that comes before: whether an earlier try was stored is seen from the log. */
async function appendOnce(nats: NatsConnection, jsm: JetStreamManager, messages: LogMessage[]): Promise<void> {
  const [before, last] = [messages[0]!.position - 1, messages.at(-1)!.position];
  let failure: unknown;
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    try {
      const reply = await publishTogether(nats, republished(messages), PUBLISH_TIMEOUT_MS);
      if (reply.error === undefined && reply.seq === last) return;
      const code = reply.error?.err_code;
      if (REFUSED.full.some((full) => full === code)) throw new LogRefused(reply.error!.description);
      failure = new Error(`The log answered: ${JSON.stringify(reply)}`);
      const end = (await jsm.streams.info(STREAM.log)).state.last_seq;
      if (end === last && (await hasAt(jsm, messages.at(-1)!))) return;
      if (end !== before) throw somebodyElse(before, end);
    } catch (error) {
      if (error instanceof LogRefused || error instanceof LogNotRestorable) throw error;
      failure = error;
    }
    if (attempt < MAX_TRIES) await BETWEEN_TRIES.pause(attempt);
  }
  throw new LogUnreachable(failure);
}

function somebodyElse(expected: number, found: number): LogNotRestorable {
  return new LogNotRestorable(
    `Somebody else appends to the log: it should end at ${expected}, and ends at ${found}. Stop every other restore, ` +
      'and run this again.',
  );
}

/** As it was published once, without what was asked of the server then. */
function republished(messages: readonly LogMessage[]): Publishable[] {
  return messages.map(({ subject, bytes, headers: stored, position }, index) => {
    const header = headers();
    for (const [name, value] of Object.entries(stored)) {
      if (!/^nats-(expected|batch)-/i.test(name)) header.set(name, value);
    }
    header.set('Nats-Expected-Stream', STREAM.log);
    if (index === 0) header.set('Nats-Expected-Last-Sequence', String(position - 1));
    return { subject, bytes, header };
  });
}

/** The log ends where it should, has no hole, and holds what the journal holds where it is looked at. */
async function verify({ jsm, journal, known }: RestoreOptions, before: number): Promise<number> {
  const info = await patiently(() => jsm.streams.info(STREAM.log));
  const { state } = info;
  const end = Math.max(before, known.position);
  const isWhole = state.first_seq === 1 && state.messages === state.last_seq && state.last_seq >= end;
  if (!isWhole || logIdentity(info) !== known.identity) {
    throw new Error(`The log is not what it should be after its restore: ${JSON.stringify(state)}. Run this again.`);
  }
  const positions = new Set([1, known.position]);
  while (positions.size < Math.min(SAMPLE, known.position))
    positions.add(1 + Math.floor(Math.random() * known.position));
  for (const position of positions) {
    for await (const [message] of journal.read({ from: position, to: position })) {
      if (message !== undefined && !(await hasAt(jsm, message))) {
        throw new Error(`The log has another message at position ${position} than the journal.`);
      }
    }
  }
  return state.last_seq;
}

/** Right after many appends, or while a cluster chooses who leads, an answer may be late. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries >= MAX_TRIES) throw error;
      await BETWEEN_TRIES.pause(tries);
    }
  }
}

async function hasAt(jsm: JetStreamManager, message: LogMessage): Promise<boolean> {
  const stored = await patiently(() => jsm.streams.getMessage(STREAM.log, { seq: message.position }));
  return stored !== null && hashOf({ subject: stored.subject, bytes: stored.data }) === hashOf(message);
}

function named(runs: readonly Positions[]): string {
  return runs.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ');
}
