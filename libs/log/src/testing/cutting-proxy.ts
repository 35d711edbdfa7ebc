import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, and cuts the line when a test wants it. */
export class CuttingProxy {
  private readonly sockets = new Set<Socket>();
  private cutAfter: ((sent: Buffer) => boolean) | undefined;
  private refusing = false;

  private constructor(private readonly server: Server) {}

  static async before(target: { host: string; port: number }): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server);
    server.on('connection', (client) => proxy.carry(client, target));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /**
   * Lets what the client sends next through, once it matches, and drops the server's answer with the whole line.
   *
   * @param whileCut runs before the client may connect again
   */
  loseNextAnswer(
    matches: (sent: Buffer) => boolean,
    whileCut: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.cutAfter = (sent) => {
        if (!matches(sent)) return false;
        this.refusing = true;
        whileCut()
          .finally(() => (this.refusing = false))
          .then(resolve, reject);
        return true;
      };
    });
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private carry(client: Socket, target: { host: string; port: number }): void {
    if (this.refusing) {
      client.destroy();
      return;
    }
    const upstream = connect(target);
    let cut = false;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', () => {
        this.sockets.delete(socket);
        end();
      });
    }
    client.on('data', (sent) => {
      upstream.write(sent);
      if (this.cutAfter?.(sent)) {
        this.cutAfter = undefined;
        cut = true;
      }
    });
    upstream.on('data', (answer) => {
      if (cut) end();
      else client.write(answer);
    });
  }
}
