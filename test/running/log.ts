import { readFile } from 'node:fs/promises';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '@buckets/contracts';
import { again } from '../../libs/log/src/testing/again.js';
import type { Product } from './product.js';

export interface StoredMessage {
  stream: string;
  sequence: number;
  subject: string;
  /** All that is stored of it: headers and body. */
  text: string;
}

export async function connectAsAdmin({ stack }: Product): Promise<NatsConnection> {
  const { natsUrl, natsAdminCreds } = stack.access;
  const authenticator = credsAuthenticator(await readFile(natsAdminCreds));
  return again(() => connect({ servers: natsUrl, authenticator, timeout: 5_000 }));
}

export async function withStreams<R>(product: Product, look: (manager: JetStreamManager) => Promise<R>): Promise<R> {
  const connection = await connectAsAdmin(product);
  try {
    return await look(await managerOf(connection));
  } finally {
    await connection.close();
  }
}

/** How many messages each stream has ever had, the short-lived ones aside. */
export async function lastSequences(product: Product): Promise<Record<string, number>> {
  return withStreams(product, async ({ streams }) => {
    const kept = [STREAM.log, STREAM.claims, STREAM.deadLetters];
    const infos = await Promise.all(kept.map((name) => streams.info(name)));
    return Object.fromEntries(infos.map(({ config, state }) => [config.name, state.last_seq]));
  });
}

export async function logPosition(product: Product): Promise<number> {
  return (await lastSequences(product))[STREAM.log]!;
}

/** All messages that a stream holds. */
export async function messagesOf(product: Product, stream: string): Promise<StoredMessage[]> {
  const connection = await connectAsAdmin(product);
  try {
    const { state } = await (await managerOf(connection)).streams.info(stream);
    if (state.messages === 0) return [];
    const consumer = await jetstream(connection).consumers.get(stream);
    const found: StoredMessage[] = [];
    for await (const message of await consumer.consume()) {
      const headers = [...(message.headers ?? [])].map(([name, values]) => `${name}: ${values.join(', ')}`);
      const text = `${headers.join('\n')}\n${message.string()}`;
      found.push({ stream, sequence: message.seq, subject: message.subject, text });
      if (message.seq >= state.last_seq) break;
    }
    return found;
  } finally {
    await connection.close();
  }
}
