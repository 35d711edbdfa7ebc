import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { S3ObjectStore } from '@buckets/object-storage';
import pg from 'pg';
import { identityOf, isAlive, type ProcessIdentity } from '../prepare/lock.mjs';
import { accessFileIn, type Access } from './access.js';
import { startStack, type Stack, type StackOptions } from './stack.js';
import { AlreadyRunning } from './supervisor-record.js';
import { until } from '@buckets/patience';

jest.setTimeout(90_000);

describe('a stack of NATS, Postgres and S3', () => {
  let dataDir: string;
  let stack: Stack;
  let notes: string[];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'buckets stack '));
    stack = await start();
  });
  beforeEach(() => {
    notes = [];
  });
  afterAll(async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true });
  });

  const start = (options: Partial<StackOptions> = {}) => {
    const log = { note: (name: string, note: string) => void notes.push(`${name} ${note}`) };
    return startStack({ dataDir, services: [], log, ...options });
  };
  const written = () => JSON.parse(readFileSync(accessFileIn(dataDir), 'utf8')) as Access;
  const running = (access: Access) => access.services.map(({ pid }) => identityOf(pid!)!);
  const query = async (access: Access, sql: string) => {
    const client = new pg.Client({ connectionString: access.postgresUrl });
    await client.connect();
    try {
      return (await client.query<{ value: string }>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  it('writes down how to reach it, for its owner only', () => {
    expect(written()).toEqual(stack.access);
    for (const file of ['access.json', 'secrets/admin.token', 'secrets/platform.key', 'secrets/operator.seed']) {
      expect(statSync(join(dataDir, file)).mode & 0o777).toBe(0o600);
    }
    expect(Buffer.from(readFileSync(join(dataDir, 'secrets/platform.key'), 'utf8'), 'base64')).toHaveLength(32);
    expect(stack.access.adminToken).toMatch(/^bkt_admin_[\w-]{43}$/);
  });

  it('starts a process again that has died, says so, and writes the new number down', async () => {
    const before = written().services.find(({ name }) => name === 'nats')!.pid!;
    process.kill(before, 'SIGKILL');
    await until(() => written().services.some(({ name, pid }) => name === 'nats' && pid !== null && pid !== before));
    expect(notes.join()).toMatch(/nats was ended by SIGKILL; starting it again in 0.25 s/);
  });

  it('leaves a process down that it was told to end, until it is told to start it', async () => {
    await stack.kill('postgres');
    expect(written().services).toContainEqual({ name: 'postgres', pid: null });
    await expect(query(stack.access, 'SELECT')).rejects.toThrow('ECONNREFUSED');
    await stack.restart('postgres');
    await query(stack.access, 'SELECT');
    expect(notes).toEqual([]);
  });

  it('is the only one on its folder', async () => {
    await expect(start()).rejects.toThrow(AlreadyRunning);
  });

  it('keeps what it was given over a stop and a start, and leaves no process behind', async () => {
    const first = stack;
    const bucketIn = ({ s3 }: Access) => new S3ObjectStore({ ...s3, bucket: s3.buckets[0]! });
    await bucketIn(first.access).put('greeting', Buffer.from('hello'));
    await query(first.access, `CREATE TABLE kept AS SELECT 'row' AS value`);
    const processes = running(first.access);
    await first.stop();
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(accessFileIn(dataDir))).toBe(false);

    stack = await start();
    const { access } = stack;
    // Its volumes come back a moment after the server: it answers 500 until then.
    const greeting = await until(() => bucketIn(access).get('greeting'), { what: 'the object that was kept' });
    expect(greeting.toString()).toBe('hello');
    expect(await query(access, 'SELECT value FROM kept')).toEqual([{ value: 'row' }]);
    expect(access.adminToken).toBe(first.access.adminToken);
  });

  it('takes other ports when a program has taken one since it was found free', async () => {
    const fresh = await mkdtemp(join(tmpdir(), 'buckets stack '));
    const [program, offered] = [createServer(), [] as number[]];
    const other = await start({
      dataDir: fresh,
      between: async (listening) => {
        offered.push(listening.nats);
        if (offered.length === 1) await once(program.listen(listening.nats, '127.0.0.1'), 'listening');
        return listening;
      },
    });
    expect(offered).toHaveLength(2);
    expect(other.access.natsUrl).toContain(`:${offered[1]}`);
    expect(notes.join()).toContain('nats found its port taken');
    await other.stop();
    await once(program.close(), 'close');
    await rm(fresh, { recursive: true });
  });

  it('gives a start up when asked to', async () => {
    await stack.stop();
    const giveUp = new AbortController();
    const givenUp = expect(start({ signal: giveUp.signal })).rejects.toThrow('aborted');
    await until(() => readFileSync(join(dataDir, 'supervisor.json'), 'utf8').includes('"processes":[{'));
    giveUp.abort();
    await givenUp;
    expect(existsSync(join(dataDir, 'supervisor.json'))).toBe(false);
  });

  it('ends with the process that has started it, even by SIGKILL; the next start waits for that', async () => {
    const script = join(dataDir, 'start.mjs');
    await writeFile(
      script,
      `import { startStack } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))};
       await startStack({ dataDir: ${JSON.stringify(dataDir)}, services: [] });`,
    );
    const supervisor = spawn(process.execPath, [script], { stdio: 'inherit' });
    await until(() => existsSync(accessFileIn(dataDir)), { withinMs: 30_000 });
    const processes: ProcessIdentity[] = running(written());
    expect(processes.filter(isAlive)).toHaveLength(3);

    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    stack = await start();
    expect(processes.filter(isAlive)).toEqual([]);
    await query(stack.access, 'SELECT');
  });
});
