import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { unreachableDependency } from './unreachable.js';

describe('a part of the system that cannot be reached is recognised', () => {
  let port: number;
  beforeAll(async () => {
    port = await closedPort();
  });

  it('when Postgres does not listen', async () => {
    const database = new DataSource({ type: 'postgres', host: '127.0.0.1', port });
    expect(unreachableDependency(await failure(database.initialize()))).toBe('postgres');

    const pool = new pg.Pool({ host: '127.0.0.1', port });
    expect(unreachableDependency(await failure(pool.query('SELECT 1')))).toBe('postgres');
    await pool.end();
  });

  it('when NATS does not listen', async () => {
    const error = await failure(connect({ servers: `127.0.0.1:${port}`, reconnect: false, timeout: 1_000 }));
    expect(unreachableDependency(error)).toBe('nats');
  });

  it('when the object storage or the log says so', () => {
    expect(unreachableDependency(withCode('object-storage-unreachable'))).toBe('s3');
    expect(unreachableDependency(withCode('log-unreachable'))).toBe('nats');
  });

  it.each(['57P01', '57P03', '57014', '08006', '53300'])('when Postgres answers %s', (code) => {
    expect(unreachableDependency(Object.assign(new Error('x'), { driverError: withCode(code) }))).toBe('postgres');
  });

  it.each(['23505', '42P01', '40001'])('but not when Postgres answers %s', (code) => {
    expect(unreachableDependency(withCode(code))).toBeUndefined();
  });

  it('and what merely takes too long or is wrong is not', () => {
    expect(unreachableDependency(new DOMException('x', 'TimeoutError'))).toBeUndefined();
    expect(unreachableDependency(new TypeError('x'))).toBeUndefined();
    expect(unreachableDependency('ECONNREFUSED')).toBeUndefined();
  });

  it('nor is what another service of the outside world did not answer', () => {
    const failed = new TypeError('fetch failed', { cause: withCode('ECONNREFUSED') });
    expect(unreachableDependency(failed)).toBeUndefined();
  });
});

function withCode(code: string): Error {
  return Object.assign(new Error('x'), { code });
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => new Error('It did not fail'),
    (error: unknown) => error,
  );
}

/** A port that was free a moment ago, so that nothing listens on it. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
