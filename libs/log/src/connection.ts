import { readFile } from 'node:fs/promises';
import { connect, credsAuthenticator, errors, type NatsConnection } from '@nats-io/transport-node';

export interface ConnectionSettings {
  url: string;
  /** A NATS credentials file; none for servers that let anybody in. */
  credsFile?: string;
  /** Shows up in the server's list of connections. */
  name: string;
  /** Users may be confined to an inbox of their own. */
  inboxPrefix?: string;
  /** Milliseconds. */
  connectTimeoutMs?: number;
}

/** A server, or this process, that is too busy to make a connection in time gets another chance. */
const ATTEMPTS = 2;

/**
 * Connects and stays: reconnects for ever with a pause of a second and jitter, as a service outlives its server.
 *
 * @throws what NATS throws: at once when nobody listens or the credentials are refused
 */
export async function connectToNats(settings: ConnectionSettings): Promise<NatsConnection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(settings);
    } catch (error) {
      if (attempt === ATTEMPTS || !wasTooLate(error)) throw error;
    }
  }
}

function wasTooLate(error: unknown): boolean {
  return error instanceof errors.TimeoutError || /authentication timeout/i.test((error as Error).message);
}

async function connectOnce(settings: ConnectionSettings): Promise<NatsConnection> {
  return connect({
    servers: settings.url.split(','),
    name: settings.name,
    ...(settings.credsFile === undefined
      ? {}
      : { authenticator: credsAuthenticator(await readFile(settings.credsFile)) }),
    ...(settings.inboxPrefix === undefined ? {} : { inboxPrefix: settings.inboxPrefix }),
    timeout: settings.connectTimeoutMs ?? 10_000,
    waitOnFirstConnect: false,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: 10_000,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
  });
}
