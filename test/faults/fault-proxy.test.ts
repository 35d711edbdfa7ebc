import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { until } from '../../stack/src/index.js';
import { FaultProxy } from './fault-proxy.js';

let server: Server;
let proxy: FaultProxy;
const opened: Socket[] = [];

/** Says everything back. */
beforeAll(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.close();
  await once(server, 'close');
});
beforeEach(async () => {
  proxy = await FaultProxy.listen((server.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await proxy[Symbol.asyncDispose]();
});

/** A connection through the proxy, with all that it has heard and how it has ended. */
async function client(): Promise<{ socket: Socket; heard: () => string; ended: Promise<void> }> {
  const socket = connect(proxy.port, '127.0.0.1');
  opened.push(socket);
  let heard = '';
  socket.on('data', (chunk) => (heard += chunk.toString()));
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  return { socket, heard: () => heard, ended };
}

async function answers(socket: Socket, word: string): Promise<boolean> {
  socket.write(word);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString() === word;
}

describe('a proxy', () => {
  it('passes on what both sides say, much of it, and the end of a side as such', async () => {
    const { socket, heard, ended } = await client();
    const much = 'abc'.repeat(1_000_000);
    socket.end(much);
    await ended;
    expect(heard() === much).toBe(true);
    await until(() => proxy.connections === 0);
  });

  it('cuts the connections that are there, and takes new ones', async () => {
    const { socket, ended } = await client();
    expect(await answers(socket, 'before')).toBe(true);
    expect(proxy.cut()).toBe(1);
    await ended;
    expect(await answers((await client()).socket, 'after')).toBe(true);
  });

  it('refuses new connections while those that are there go on', async () => {
    const { socket } = await client();
    await answers(socket, 'before');
    proxy.set({ mode: 'refuse' });
    const refused = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => refused.once('close', resolve));
    expect(proxy.connections).toBe(1);
    expect(await answers(socket, 'still')).toBe(true);
    proxy.set({ mode: 'pass' });
    expect(await answers((await client()).socket, 'again')).toBe(true);
  });

  it('holds everything up, and nothing overtakes what was held up', async () => {
    const { socket, heard } = await client();
    proxy.set({ mode: 'delay', ms: 200 });
    expect(await answers(socket, 'first ')).toBe(true);
    socket.write('second ');
    // The proxy has it by the time that a later connection is through.
    await client();
    proxy.set({ mode: 'pass' });
    socket.write('third');
    await until(() => heard() === 'first second third');
  });

  it('cuts a connection in mid-stream, after as many bytes as were said', async () => {
    const { socket, heard, ended } = await client();
    await answers(socket, 'whole');
    proxy.set({ mode: 'truncate', afterBytes: 15 });
    socket.write('0123456789');
    await ended;
    expect('whole0123456789'.startsWith(heard())).toBe(true);
    expect(heard().length).toBeLessThan(15);
  });
});

describe('a proxy before an HTTP server', () => {
  let http: HttpServer;
  let before: FaultProxy;

  beforeAll(async () => {
    http = createHttpServer((request, response) => request.pipe(response));
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    before = await FaultProxy.listen((http.address() as AddressInfo).port);
  });
  afterAll(async () => {
    await before[Symbol.asyncDispose]();
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  });

  it('answers 503 to whoever asks, with a body however large, until it passes again', async () => {
    const put = async () => {
      const body = 'x'.repeat(3_000_000);
      const response = await fetch(`http://127.0.0.1:${before.port}`, { method: 'PUT', body });
      return { status: response.status, text: await response.text(), same: body.length };
    };
    expect((await put()).status).toBe(200);
    before.set({ mode: 'unavailable' });
    expect(await put()).toMatchObject({ status: 503, text: expect.stringContaining('<Code>SlowDown</Code>') });
    before.set({ mode: 'pass' });
    expect((await put()).text).toHaveLength(3_000_000);
  });
});
