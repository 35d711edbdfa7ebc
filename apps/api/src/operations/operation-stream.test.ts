import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Progress } from '@buckets/contracts';
import type { Response } from 'express';
import { until } from '@buckets/patience';
import type { OperationRow } from '../tables/entities.js';
import { OperationFollower } from './operation-follower.js';
import { OperationStream } from './operation-stream.js';

type Row = Pick<OperationRow, 'id' | 'state' | 'changed_position'>;

describe('the stream of an operation', () => {
  let server: Server;
  let row: Row;
  let position: number;
  let waiters: (() => void)[];
  let hear: ((progress: Progress) => void) | undefined;
  let listeners: number;
  let failing: boolean;
  let isAdmitted: boolean;
  let filler: string;
  let streamEnded: Promise<void>;
  const stopping = new AbortController();

  beforeEach(async () => {
    row = { id: 'op-1', state: 'queued', changed_position: 5 };
    position = 5;
    waiters = [];
    hear = undefined;
    listeners = 0;
    failing = false;
    isAdmitted = true;
    filler = '';
    const operations = {
      changedSince: (known: ReadonlyMap<string, number>) =>
        failing
          ? Promise.reject(new Error('no database'))
          : Promise.resolve(known.get(row.id)! < row.changed_position ? [{ ...row } as OperationRow] : []),
      view: ({ id, state }: Row) => Promise.resolve({ id, state, ...(filler && { filler }) } as never),
    };
    const board = {
      watch: (_host: string, _id: string, listener: (progress: Progress) => void) => {
        hear = listener;
        listeners++;
        return () => void listeners--;
      },
    };
    const projector = {
      get position() {
        return position;
      },
      reaches: async (wanted: number, { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal }) => {
        if (position >= wanted) return true;
        const woken = new Promise<void>((resolve) => waiters.push(resolve));
        const over = AbortSignal.any([AbortSignal.timeout(deadlineMs), ...(signal === undefined ? [] : [signal])]);
        await Promise.race([woken, once(over, 'abort')]);
        return position >= wanted;
      },
    };
    const stream = new OperationStream(operations, board, new OperationFollower(operations, projector), 100);
    server = createServer((request, response) => {
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const lastSeen = request.headers['last-event-id'];
      streamEnded = stream.send({ ...row } as OperationRow, asExpress(response), {
        signal: AbortSignal.any([gone.signal, stopping.signal]),
        caller: { kind: 'admin', id: 'admin', name: 'admin', scopes: ['admin'], reach: 'fleet' },
        mayStill: () => (isAdmitted ? Promise.resolve() : Promise.reject(new Error('no more'))),
        ...(lastSeen === undefined ? {} : { lastSeen: Number(lastSeen) }),
      });
      streamEnded.catch(() => response.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    // One that were still open would count among those of the next test.
    await streamEnded.catch(() => undefined);
  });

  /** The little of Express that the stream uses. */
  const asExpress = (response: object) =>
    Object.assign(response, {
      status(code: number) {
        return Object.assign(this, { statusCode: code });
      },
      set(headers: Record<string, string>) {
        for (const [name, value] of Object.entries(headers)) (this as unknown as Response).setHeader(name, value);
        return this;
      },
    }) as unknown as Response;

  const advance = (changes: Partial<Row> = {}) => {
    position++;
    if (Object.keys(changes).length > 0) row = { ...row, ...changes, changed_position: position };
    for (const wake of waiters.splice(0)) wake();
  };

  const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  async function listen(headers: Record<string, string> = {}) {
    const abort = new AbortController();
    const response = await fetch(address(), { headers, signal: abort.signal });
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
    })().catch(() => undefined);
    const heard = () => text.replaceAll(STILL_HERE, '');
    return { response, abort, heard, signsOfLife: () => text.split(STILL_HERE).length - 1, ended: () => reading };
  }
  const STILL_HERE = ': still here\n\n';
  const state = (of: string, at: number) => `id: ${at}\nevent: state\ndata: {"id":"op-1","state":"${of}"}\n\n`;

  it('tells each state as soon as the tables have it, and ends with the last one', async () => {
    const { response, heard, ended } = await listen();
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    await until(() => heard() === state('queued', 5));
    advance({ state: 'running' });
    await until(() => heard() === state('queued', 5) + state('running', 6));
    advance();
    advance({ state: 'succeeded' });
    await ended();
    expect(heard()).toBe(state('queued', 5) + state('running', 6) + state('succeeded', 8));
    expect(listeners).toBe(0);
  });

  it('shows nothing more to whoever has lost their role, and ends also where nothing happens', async () => {
    const { heard, ended } = await listen();
    await until(() => heard() === state('queued', 5));
    isAdmitted = false;
    advance({ state: 'running' });
    await ended();
    expect(heard()).toBe(state('queued', 5));
    isAdmitted = true;
    const quiet = await listen();
    await until(() => quiet.heard() === state('running', 6));
    isAdmitted = false;
    await quiet.ended();
    expect(quiet.heard()).toBe(state('running', 6));
    expect(listeners).toBe(0);
  });

  it('is cut where its reader takes nothing', async () => {
    filler = 'x'.repeat(2 ** 20);
    const deaf = connect((server.address() as AddressInfo).port, '127.0.0.1');
    try {
      deaf.pause().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => listeners === 1);
      await until(() => {
        advance({ state: 'running' });
        return listeners === 0;
      });
    } finally {
      deaf.destroy();
    }
  });

  it('misses nothing that happens between its first look and its waiting', async () => {
    const listening = listen();
    advance({ state: 'failed' });
    const { heard, ended } = await listening;
    await ended();
    expect(heard()).toContain('"state":"failed"');
  });

  it('tells progress in between', async () => {
    const { heard } = await listen();
    await until(() => hear !== undefined && heard() !== '');
    hear!({ phase: 'uploading', attempt: 1, bytesDone: 7, at: 1 });
    await until(() =>
      heard().includes('event: progress\ndata: {"phase":"uploading","attempt":1,"bytesDone":7,"at":1}\n\n'),
    );
  });

  it('tells of a cancel that was asked for, before the end', async () => {
    const { heard, ended } = await listen();
    advance({ state: 'running' });
    await until(() => heard().endsWith(state('running', 6)));
    advance({ state: 'running' });
    await until(() => heard().endsWith(state('running', 7)));
    advance({ state: 'cancelled' });
    await ended();
    expect(heard()).toBe(state('queued', 5) + state('running', 6) + state('running', 7) + state('cancelled', 8));
  });

  it('says now and then that it is still there', async () => {
    const { heard, signsOfLife } = await listen();
    await until(() => signsOfLife() > 1);
    expect(heard()).toBe(state('queued', 5));
  });

  it('says so too while the log is busy with other things', async () => {
    const { signsOfLife } = await listen();
    const busy = setInterval(() => advance(), 20);
    try {
      await until(() => signsOfLife() > 1);
    } finally {
      clearInterval(busy);
    }
  });

  it('tells a reader who comes back only what is new', async () => {
    const { heard, ended } = await listen({ 'last-event-id': '5' });
    await until(() => waiters.length > 0);
    advance({ state: 'succeeded' });
    await ended();
    expect(heard()).toBe(state('succeeded', 6));
  });

  it('is not begun for whoever asks for its head alone', async () => {
    // Its connection stays for the next request.
    const agent = new Agent({ keepAlive: true });
    const asking = httpRequest(address(), { method: 'HEAD', agent }).end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    expect(response.headers['content-type']).toBe('text/event-stream');
    await streamEnded;
    agent.destroy();
  });

  it('tells a reader who has seen the end that there is nothing more', async () => {
    row = { id: 'op-1', state: 'succeeded', changed_position: 9 };
    const { response, heard, ended } = await listen({ 'last-event-id': '9' });
    await ended();
    expect([response.status, heard()]).toEqual([204, '']);
    const again = await listen({ 'last-event-id': '8' });
    await again.ended();
    expect([again.response.status, again.heard()]).toEqual([200, state('succeeded', 9)]);
  });

  it('ends when its reader goes', async () => {
    const { abort } = await listen();
    await until(() => waiters.length > 0);
    abort.abort();
    await streamEnded;
    expect(listeners).toBe(0);
  });

  it('fails, for the reader to come back, when the operation cannot be read any more', async () => {
    const { ended } = await listen();
    await until(() => waiters.length > 0);
    failing = true;
    advance();
    await ended();
    await expect(streamEnded).rejects.toThrow('no database');
    expect(listeners).toBe(0);
  });
});
