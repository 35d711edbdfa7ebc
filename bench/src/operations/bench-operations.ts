import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { newId, STREAM, subjects } from '@buckets/contracts';
import { connectToNats, Log } from '@buckets/log';
import { HOSTS } from '@buckets/stack';
import { median, percentile } from '../figures.js';
import { Product } from '../product.js';
import { benchReplay } from '../replay.js';

/** Requests at once, how often, and the goals for the middle and the slowest hundredth in milliseconds. */
const LOADS: { atOnce: number; rounds: number; p50?: number; p99?: number }[] = [
  { atOnce: 1, rounds: 60, p50: 20 },
  { atOnce: 10, rounds: 20, p50: 30, p99: 150 },
  { atOnce: 100, rounds: 4 },
];
const PROJECTS = 100;
const APPENDS = 4_000;
const WRITERS = 64;

/** `npm run bench -- operations`: how fast operations begin and end, and what the log does beneath them. */
export async function benchOperations(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { events: { type: 'string', default: '50000' } } });
  console.log(`Operations, on ${availableParallelism()} processors.`);
  await ofTheProduct();
  await benchReplay([values.events]);
}

async function ofTheProduct(): Promise<void> {
  await using product = await Product.start(HOSTS[0]!.hostId);
  const projects = await trivialProjects(product);
  console.log('\nFrom POST to the claim of the worker that the attempt begins, and until that is a fact in the log,');
  console.log('for backups of projects of one small file');
  for (const load of LOADS) printLatencies(load, await latencies(product, projects, load));
  await throughput(product, projects);
  await appends(product);
}

/** Projects with one file each, that have a repository already. */
async function trivialProjects(product: Product): Promise<string[]> {
  const ids = Array.from({ length: PROJECTS }, (_, n) => `small-${n}`);
  for (const id of ids) await writeFile(join(await product.project(id), 'project', 'note.txt'), id);
  await Promise.all(ids.map((id) => product.done(`/v1/projects/${id}/backups`)));
  return ids;
}

/** Of each request, milliseconds from its POST. */
interface Latencies {
  /** Until the worker asks for the grant of its attempt. */
  claim: number[];
  /** Until the beginning of the attempt is stored, by the server's clock, which is that of this machine. */
  fact: number[];
}

/** All of a round have ended before the next begins: nothing waits for what came before it. */
async function latencies(
  product: Product,
  projects: string[],
  { atOnce, rounds }: { atOnce: number; rounds: number },
): Promise<Latencies> {
  const claimed = new Map<string, number>();
  const nats = await connect(product);
  nats.subscribe(subjects.ask(product.hostId, 'grant'), {
    callback: (_, message) => void claimed.set(message.json<{ operationId: string }>().operationId, now()),
  });
  await nats.flush();
  const jsm = await jetstreamManager(nats);
  const all: Latencies = { claim: [], fact: [] };
  for (let round = 0; round < rounds; round++) {
    const asked = await Promise.all(
      projects.slice(0, atOnce).map(async (projectId) => {
        const at = now();
        const { id } = await product.call<{ id: string }>('POST', `/v1/projects/${projectId}/backups`, {});
        return { projectId, id, at };
      }),
    );
    await Promise.all(asked.map(({ id }) => product.succeeded(id)));
    for (const { projectId, id, at } of asked) {
      all.claim.push(claimed.get(id)! - at);
      const subject = subjects.event('project', projectId, 'backup-began');
      const fact = await jsm.streams.getMessage(STREAM.log, { last_by_subj: subject });
      all.fact.push(fact!.time.getTime() - at);
    }
  }
  await nats.close();
  return all;
}

/** Milliseconds since 1970, with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function printLatencies({ atOnce, p50, p99 }: (typeof LOADS)[number], { claim, fact }: Latencies): void {
  const [middle, slow] = [median(claim), percentile(claim, 99)];
  console.log(
    `  ${String(atOnce).padStart(3)} at once   claim p50 ${middle.toFixed(1)} ms${goal(p50 && middle <= p50)}` +
      `, p99 ${slow.toFixed(1)} ms${goal(p99 && slow <= p99)}` +
      `   fact p50 ${median(fact).toFixed(1)} ms, p99 ${percentile(fact, 99).toFixed(1)} ms   (${claim.length} requests)`,
  );
}

async function throughput(product: Product, projects: string[]): Promise<void> {
  const began = performance.now();
  await Promise.all(projects.map((id) => product.done(`/v1/projects/${id}/backups`)));
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `\nBackups of ${projects.length} such projects at once: ${(projects.length / seconds).toFixed(1)} a second`,
  );
}

async function appends(product: Product): Promise<void> {
  const nats = await connect(product);
  const log = new Log(nats, await jetstreamManager(nats), 'buckets/bench');
  const append = () =>
    log.append({
      thing: 'host',
      id: newId(),
      expected: 0,
      events: [{ thing: 'host', type: 'updated', data: { requestedBy: 'bench' } }],
    });
  const perSecond = async (writers: number, count: number): Promise<number> => {
    const turns = Array.from({ length: count }).values();
    const began = performance.now();
    await Promise.all(
      Array.from({ length: writers }, async () => {
        for (const _ of turns) await append();
      }),
    );
    return Math.round((count / (performance.now() - began)) * 1_000);
  };
  await perSecond(1, 50);
  const [one, many] = [await perSecond(1, APPENDS / 8), await perSecond(WRITERS, APPENDS)];
  console.log(`\nAppends to the log, flushed to disk: ${one} a second by one writer, ${many} by ${WRITERS}`);
  await nats.close();
}

function connect({ stack }: Product) {
  const { natsUrl: url, controlCredentials } = stack.infrastructure;
  return connectToNats({ url, credsFile: controlCredentials.api, name: 'bench' });
}

function goal(met: boolean | 0 | undefined): string {
  return met === undefined || met === 0 ? '' : met ? ' (goal met)' : ' (goal NOT MET)';
}
