import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { choosePorts, PortTaken } from './ports.js';
import { choosePortsOf, keepPorts, S3PortCannotChange } from './stack-ports.js';

describe('the ports of a stack', () => {
  let dataDir: string;
  let server: Server;
  let taken: number;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'buckets-ports-'));
    server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    taken = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    await once(server.close(), 'close');
    await rm(dataDir, { recursive: true });
  });

  it('are all free, and all different', async () => {
    const ports = Object.values(await choosePortsOf(dataDir, {}));
    expect(new Set(ports).size).toBe(ports.length);
    expect(ports).not.toContain(taken);
  });

  it('are the ones that were asked for, or none', async () => {
    const { free } = await choosePorts({ free: {} });
    expect(await choosePortsOf(dataDir, { ports: { api: free } })).toMatchObject({ api: free });
    await expect(choosePortsOf(dataDir, { ports: { api: taken } })).rejects.toThrow(PortTaken);
  });

  it('are the usual ones where these are free, else others', async () => {
    const { usual } = await choosePorts({ usual: {} });
    const chosen = await choosePorts({ a: { rather: [taken, usual] }, b: { rather: [taken] } });
    expect(chosen.a).toBe(usual);
    expect([taken, usual]).not.toContain(chosen.b);
  });

  it('stay the same from one start to the next', async () => {
    const first = await choosePortsOf(dataDir, {});
    await keepPorts(dataDir, first);
    expect(await choosePortsOf(dataDir, { usualPorts: true })).toEqual(first);
  });

  it('change when another program has one now, except that of S3, which stands in the log', async () => {
    const first = await choosePortsOf(dataDir, {});
    await keepPorts(dataDir, first);
    const [api, s3] = [createServer(), createServer()];
    await once(api.listen(first.api, '127.0.0.1'), 'listening');
    expect((await choosePortsOf(dataDir, {})).api).not.toBe(first.api);
    await once(s3.listen(first.s3, '127.0.0.1'), 'listening');
    await expect(choosePortsOf(dataDir, {})).rejects.toThrow(S3PortCannotChange);
    await Promise.all([api, s3].map((each) => once(each.close(), 'close')));
    const { other } = await choosePorts({ other: {} });
    await expect(choosePortsOf(dataDir, { ports: { s3: other } })).rejects.toThrow(S3PortCannotChange);
  });
});
