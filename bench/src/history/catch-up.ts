import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, type Stack } from '@buckets/stack';
import { median, percentile } from '../figures.js';
import { rebuild } from '../replay.js';
import { LogFiller } from './log-filler.js';

const WRITERS = 8;
const DECISIONS = 100;

/** Half of the histories are written while the API stands still: it has to catch up, decide, and be rebuilt. */
export async function catchUp(projects: number, backups: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'buckets-bench-'));
  const stack = await startStack({ dataDir: folder, services: ['api'] });
  try {
    await using filler = await LogFiller.of(stack);
    const ids = Array.from({ length: projects }, (_, n) => `long-${n}`);
    const half = backups >> 1;
    const write = (from: number, to: number) =>
      inParallel(ids, async (id) => {
        if (from === 0) await filler.create(id);
        await filler.backUp(id, { from, to });
      });
    await write(0, half);
    const before = await filler.isShown(stack);

    const { pid } = stack.access.services.find(({ name }) => name === 'api')!;
    process.kill(pid!, 'SIGSTOP');
    await write(half, backups).finally(() => process.kill(pid!, 'SIGCONT'));
    const began = performance.now();
    const end = await filler.isShown(stack);
    const seconds = (performance.now() - began) / 1_000;
    console.log(`\n${projects} projects with ${backups} backups each; the API stood still during the second half`);
    console.log(`  caught up with ${end - before} messages in ${seconds.toFixed(1)} s`);

    const took = await decisions(stack, ids);
    console.log(
      `  decides, and shows it: median ${median(took).toFixed(1)} ms, p99 ${percentile(took, 99).toFixed(1)} ms (${took.length})`,
    );
    const { messages, seconds: rebuilt, eventsPerSecond } = await rebuild(stack);
    console.log(
      `  tables made anew from ${messages} messages in ${rebuilt.toFixed(1)} s, ${eventsPerSecond} events a second`,
    );
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function decisions(stack: Stack, ids: readonly string[]): Promise<number[]> {
  const { apiUrl, adminToken } = stack.access;
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
  const took: number[] = [];
  for (let n = 0; n < DECISIONS; n++) {
    const began = performance.now();
    const response = await fetch(`${apiUrl}/v1/projects/${ids[n % ids.length]!}`, {
      ...{ method: 'PATCH', headers },
      body: JSON.stringify({ backupIntervalMinutes: 1_000 + n }),
    });
    if (!response.ok) throw new Error(`A project could not be changed: ${await response.text()}`);
    await response.arrayBuffer();
    took.push(performance.now() - began);
  }
  return took;
}

async function inParallel(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const turns = ids.values();
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const id of turns) await work(id);
    }),
  );
}
