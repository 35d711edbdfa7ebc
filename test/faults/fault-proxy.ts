import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a proxy does to what passes through it. */
export type ProxyMode =
  | { mode: 'pass' }
  /** Each new connection is ended at once; those that are there go on. */
  | { mode: 'refuse' }
  /** Everything arrives late, in its order. */
  | { mode: 'delay'; ms: number }
  /** Each connection is cut when so many more bytes have passed in either direction. */
  | { mode: 'truncate'; afterBytes: number }
  /** Each HTTP request is answered 503, as by a storage that has too much to do. */
  | { mode: 'unavailable' };

const SLOW_DOWN = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`;

/**
 * Stands on loopback between those who connect and one server, and does what a bad network does. Whoever waits for an
 * end waits for it here as well: a half-closed connection is passed on as such.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #http: HttpServer;
  readonly #links = new Set<Link>();
  #mode: ProxyMode = { mode: 'pass' };

  private constructor(private readonly target: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#take(client));
    this.#http = createHttpServer((request, response) => {
      request.resume().on('error', () => undefined); // Whoever goes away wants no answer.
      request.once('end', () => {
        response.writeHead(503, { 'content-type': 'application/xml', connection: 'close' }).end(SLOW_DOWN);
      });
    });
  }

  /** Listens on a free port for what shall reach the target port. */
  static async listen(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Holds for what passes from now on, on connections that are there too. */
  set(mode: ProxyMode): void {
    this.#mode = mode;
    for (const link of this.#links) link.set(mode);
    if (mode.mode === 'unavailable') this.cut();
    if (mode.mode === 'pass') this.#http.closeAllConnections();
  }

  /** Ends all connections that are there, with the reset or the end that a system sends. @returns how many */
  cut(): number {
    const all = [...this.#links];
    for (const link of all) link.cut();
    return all.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    this.#http.closeAllConnections();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  #take(client: Socket): void {
    if (this.#mode.mode === 'refuse') {
      client.on('error', () => undefined).resetAndDestroy();
    } else if (this.#mode.mode === 'unavailable') {
      this.#http.emit('connection', client);
    } else {
      const link = new Link(
        client,
        connect({ port: this.target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }),
      );
      link.set(this.#mode);
      this.#links.add(link);
      link.onEnd = () => this.#links.delete(link);
    }
  }
}

/** One connection through the proxy. */
class Link {
  onEnd: () => void = () => undefined;
  #mode: ProxyMode = { mode: 'pass' };
  #bytesLeft = Infinity;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
  ) {
    this.#pass(client, server);
    this.#pass(server, client);
    for (const socket of [client, server]) {
      // An error is followed by the close; then the other side learns of it as a reset.
      socket.on('error', () => undefined);
      socket.once('close', (hadError) => this.#closed(hadError));
    }
  }

  set(mode: ProxyMode): void {
    this.#mode = mode;
    this.#bytesLeft = mode.mode === 'truncate' ? mode.afterBytes : Infinity;
  }

  cut(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
    this.onEnd();
  }

  #pass(from: Socket, to: Socket): void {
    /** What is held up, in its order; nothing may overtake it. */
    const held: (() => void)[] = [];
    const later = (work: () => void) => {
      const delayMs = this.#mode.mode === 'delay' ? this.#mode.ms : 0;
      if (delayMs === 0 && held.length === 0) return work();
      held.push(work);
      setTimeout(() => held.shift()?.(), delayMs).unref();
    };
    from.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, this.#bytesLeft);
      this.#bytesLeft -= part.length;
      const isCut = part.length < chunk.length;
      if (isCut) from.pause();
      later(() => {
        if (to.destroyed) return;
        const hasRoom = to.write(part, () => {
          if (isCut) this.cut();
        });
        if (!hasRoom && !isCut) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    });
    from.on('end', () => later(() => to.end()));
  }

  #closed(hadError: boolean): void {
    if (hadError) this.cut();
    if (this.client.closed && this.server.closed) this.onEnd();
  }
}
