import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePorts } from './free-ports.js';

describe('free ports', () => {
  it('are different ones, on which nobody listens', async () => {
    const [taken] = await freePorts(1);
    const server = createServer().listen(taken, '127.0.0.1');
    await once(server, 'listening');
    const ports = await freePorts(60);
    expect(new Set(ports).size).toBe(60);
    expect(ports).not.toContain(taken);
    await once(server.close(), 'close');
  });

  it('are not promised when there are not so many', async () => {
    await expect(freePorts(101)).rejects.toThrow('Nearly all ports');
  });
});
