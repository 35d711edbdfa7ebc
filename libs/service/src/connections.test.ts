import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Body, Controller, Get, Module, Post, Req, Res } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '@buckets/patience';
import type { Request, Response } from 'express';
import type { ConnectionBounds } from './connections.js';
import { createLogger, keepConnectionOf, startService, type RunningService } from './index.js';

const MANY_BYTES = 32 * 2 ** 20;

@Controller('things')
class Things {
  isOver = false;

  @Get()
  much(@Res() response: Response): void {
    response.once('close', () => (this.isOver = true));
    response.send(Buffer.alloc(MANY_BYTES));
  }

  /** As files are sent: the rest is read once there is room. */
  begun = 0;
  over = 0;
  @Get('in-parts')
  inParts(@Res() response: Response): void {
    this.begun++;
    response.once('close', () => this.over++);
    const part = Buffer.alloc(2 ** 16);
    Readable.from(Array.from({ length: MANY_BYTES / part.length }, () => part)).pipe(response);
  }

  held: PromiseWithResolvers<string> | undefined;
  @Get('held')
  hold(@Req() request: Request): Promise<string> {
    keepConnectionOf(request);
    this.held = Promise.withResolvers();
    return this.held.promise;
  }

  @Post()
  take(@Body() _body: unknown): void {}
}
@Module({ controllers: [Things] })
class ThingsModule {}

describe('connections', () => {
  let service: RunningService;
  let sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await service?.stop();
    sockets = [];
  });

  async function start(bounds: Partial<ConnectionBounds>): Promise<void> {
    const settings = { httpHost: '127.0.0.1', httpPort: 0, logLevel: 'fatal', stopDeadlineMs: 1_000 } as const;
    service = await startService({
      ...{ module: ThingsModule, settings, bounds, log: createLogger('test', { level: 'fatal' }) },
    });
  }
  async function open(said = ''): Promise<Socket> {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(said);
    return socket;
  }
  const isWell = async () => (await fetch(`${service.url}/health/live`, { headers: { connection: 'close' } })).status;
  const HALF = 'POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{';

  it.each([
    ['say nothing', ''],
    ['say half a head', 'GET /things HTTP/1.1\r\nHost:'],
    ['say half a body', HALF],
  ])('that %s make room for others, the oldest first', async (_, said) => {
    await start({ connections: 5 });
    const first = await open(said);
    const gone = once(first.resume(), 'close');
    for (let n = 0; n < 10; n++) (await open(said)).resume();
    await gone;
    for (let n = 0; n < 10; n++) expect(await isWell()).toBe(200);
    // Those that came last are still there.
    expect(sockets.at(-1)!.destroyed).toBe(false);
  });

  const IN_PARTS = 'GET /things/in-parts HTTP/1.1\r\nHost: x\r\n\r\n';

  it('whose answers nobody takes make room for others, the oldest first', async () => {
    await start({ connections: 5 });
    const things = service.app.get(Things);
    for (let n = 1; n <= 10; n++) {
      await open(IN_PARTS);
      await until(() => things.begun === n, { what: 'the answer has begun' });
    }
    await until(() => things.over === 5, { what: 'five of them are over' });
    for (let n = 0; n < 10; n++) expect(await isWell()).toBe(200);
    const all = await fetch(`${service.url}/things/in-parts`, { headers: { connection: 'close' } });
    expect((await all.arrayBuffer()).byteLength).toBe(MANY_BYTES);
  });

  it('of requests that were admitted are kept, whoever else comes', async () => {
    await start({ connections: 3 });
    const things = service.app.get(Things);
    const answer = fetch(`${service.url}/things/held`, { headers: { connection: 'close' } });
    await until(() => things.held !== undefined, { what: 'it is admitted' });
    for (let n = 0; n < 10; n++) (await open()).resume();
    expect(await isWell()).toBe(200);
    things.held!.resolve('kept');
    expect(await (await answer).text()).toBe('kept');
  });

  it('over which nothing goes are cut, although there is more of the answer', async () => {
    await start({ silentMs: 300 });
    await open(IN_PARTS);
    const things = service.app.get(Things);
    await until(() => things.begun === 1 && things.over === 1, { what: 'the answer is over' });
  });

  it('on which a request comes too slowly are told so, and closed', async () => {
    await start({ requestMs: 300 });
    const slow = await open(HALF);
    let heard = '';
    slow.on('data', (bytes: Buffer) => (heard += bytes.toString()));
    await once(slow, 'close');
    expect(heard).toContain('408');
    expect(heard).toContain('"code":"request-timeout"');
  });

  it('on which nobody takes the answer are cut', async () => {
    await start({ answerTakenMs: 300 });
    const deaf = await open('GET /things HTTP/1.1\r\nHost: x\r\n\r\n');
    deaf.pause();
    const things = service.app.get(Things);
    await until(() => things.isOver, { what: 'the answer is over' });
    expect(deaf.bytesRead).toBeLessThan(MANY_BYTES);
  });

  it('on which the answer is taken get all of it', async () => {
    await start({});
    expect((await (await fetch(`${service.url}/things`)).arrayBuffer()).byteLength).toBe(MANY_BYTES);
  });
});
