import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { bandOf, freePorts } from './free-ports.js';

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
    await expect(freePorts(101)).rejects.toThrow('All ports from');
  });

  it('are not given again at once: what had one may come back', async () => {
    expect(new Set([...(await freePorts(40)), ...(await freePorts(40))]).size).toBe(80);
  });

  it('are never those of another worker of the same test run', () => {
    const worker = fc.integer({ min: 1, max: 8 });
    fc.assert(
      fc.property(fc.nat(4_194_304), worker, worker, (ppid, one, other) => {
        const bandOfWorker = (id: number) => bandOf({ pid: 1, ppid, env: { JEST_WORKER_ID: String(id) } });
        expect(bandOfWorker(one) === bandOfWorker(other)).toBe(one === other);
        expect(bandOfWorker(one) + 99).toBeLessThan(32_768);
      }),
    );
  });
});
