import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../stack/src/index.js';
import type { Answer, Problem } from './running/api.js';
import { Product } from './running/product.js';

jest.setTimeout(120_000);

type Part = 'nats' | 'postgres' | 's3';

interface Health {
  status: string;
  checks: Record<string, { status: string; reason?: string }>;
}

let product: Product;

beforeAll(async () => {
  product = await Product.start({ services: ['api', 'worker-eu-1'] });
  await product.newProject('atlas');
  await writeFile(join(product.folder('atlas'), 'project', 'file'), 'content');
});
afterAll(() => product[Symbol.asyncDispose]());

const outages: Record<string, { begin: (part: Part) => Promise<void>; end: (part: Part) => Promise<void> }> = {
  'is down': {
    begin: (part) => product.stack.kill(part),
    end: (part) => product.stack.restart(part),
  },
  hangs: {
    begin: (part) => Promise.resolve(signalAll(part, 'SIGSTOP')),
    end: (part) => Promise.resolve(signalAll(part, 'SIGCONT')),
  },
};

/** A request that cannot be answered without the part. */
const needing: Record<Part, () => Promise<Answer<Problem>>> = {
  nats: () => product.api.call('POST', '/v1/projects/atlas/backups', { body: {} }),
  postgres: () => product.api.call('GET', '/v1/projects/atlas'),
  s3: () => product.api.call('POST', '/v1/projects', { body: { id: 'made-meanwhile', hostId: 'eu-1' } }),
};

describe.each(Object.keys(outages))('while a part %s', (how) => {
  it.each(Object.keys(needing) as Part[])(
    '%s: readiness names it, requests that need it say so, all is well after',
    async (part) => {
      const { begin, end } = outages[how]!;
      await begin(part);
      try {
        const ready = await until(async () => {
          const { status, body } = await product.api.call<Health>('GET', '/health/ready');
          return status === 503 ? body : undefined;
        });
        expect(ready.status).toBe('down');
        expect(ready.checks[part]).toEqual({ status: 'down', reason: expect.stringMatching(/./) });
        expect((await product.api.call('GET', '/health/live')).status).toBe(200);

        const answer = await needing[part]();
        expect(answer).toMatchObject({ status: 503, body: { code: 'dependency-unavailable', dependency: part } });
        expect(answer.body.detail).toMatch(`${part} cannot be reached`);
        expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      } finally {
        await end(part);
      }
      await until(async () => (await product.api.call('GET', '/health/ready')).status === 200, { withinMs: 30_000 });
      expect(await product.backUp('atlas')).toMatchObject({ state: 'succeeded' });
    },
  );
});

describe('what was asked for during an outage', () => {
  it('is done when S3 is back', async () => {
    await product.stack.kill('s3');
    const { id } = await product.api.ask('/v1/projects/atlas/backups');
    await product.api.seen(id, ({ attempts }) => attempts > 0, 'an attempt');
    await product.stack.restart('s3');
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded' });
  });

  it('is done when the host is back', async () => {
    await product.stack.kill('worker-eu-1');
    const { id } = await product.api.ask('/v1/projects/atlas/backups');
    expect(await product.api.get(`/v1/operations/${id}`)).toMatchObject({ state: 'queued' });
    await product.stack.restart('worker-eu-1');
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
  });

  it('can be asked for again: what was refused for want of S3 has left nothing half made', async () => {
    expect(await product.newProject('made-meanwhile')).toMatchObject({ provisioned: true });
    expect(await product.backUp('made-meanwhile')).toMatchObject({ state: 'succeeded' });
  });
});

/** To a part with all that it has started: Postgres answers from processes of its own. */
function signalAll(part: Part, signal: NodeJS.Signals): void {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => [Number(pid), parentOf(pid)]),
  );
  const isBelow = (pid: number, top: number): boolean =>
    pid === top || (pid > 1 && isBelow(parents.get(pid) ?? 0, top));
  for (const pid of parents.keys()) if (isBelow(pid, product.pid(part)!)) process.kill(pid, signal);
}

function parentOf(pid: string): number {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
  } catch {
    return 0; // It has ended meanwhile.
  }
}
