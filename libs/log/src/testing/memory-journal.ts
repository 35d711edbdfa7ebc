import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { readLog } from '../log-reader.js';
import { hashOf, type StoredPosition } from '../position.js';
import type { LogMessage } from '../projection.js';
import type { Journal, Positions } from '../restore-log.js';

/** What a journal in Postgres would hold. */
export class MemoryJournal implements Journal {
  constructor(readonly messages: LogMessage[]) {}

  static async of(nats: NatsConnection, jsm: JetStreamManager): Promise<MemoryJournal> {
    const to = (await jsm.streams.info(STREAM.log)).state.last_seq;
    const messages: LogMessage[] = [];
    const reading = { from: 1, to, signal: AbortSignal.timeout(30_000) };
    for await (const batch of readLog(jetstream(nats), jsm, reading)) messages.push(...batch);
    return new MemoryJournal(messages);
  }

  /** Of tables that were made from it up to a position. */
  knownAt(position: number, identity: string): StoredPosition {
    const message = this.messages.find((each) => each.position === position);
    return { position, identity, hash: message === undefined ? '' : hashOf(message) };
  }

  async *read({ from, to }: Positions): AsyncGenerator<LogMessage[]> {
    const wanted = this.messages.filter(({ position }) => position >= from && position <= to);
    for (let first = 0; first < wanted.length; first += 500) yield wanted.slice(first, first + 500);
  }

  missing({ from, to }: Positions): Promise<Positions[]> {
    const has = new Set(this.messages.map(({ position }) => position));
    const runs: Positions[] = [];
    for (let position = from; position <= to; position++) {
      if (has.has(position)) continue;
      const run = runs.at(-1);
      if (run?.to === position - 1) run.to = position;
      else runs.push({ from: position, to: position });
    }
    return Promise.resolve(runs.slice(0, 10));
  }
}
