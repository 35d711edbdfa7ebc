import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What the machine gives at this moment. */
export interface Machine {
  /** How many it has. */
  readonly processors: number;
  /** What they do together for who asks now, in processors of the idle machine that our figures are from. */
  readonly strength: number;
}

/** How much of the tests the machine carries. */
export interface Load {
  /** Test files at once. */
  readonly files: number;
  /** How many times longer than on our machine a wait may last. */
  readonly patience: number;
}

const MEASURED_FOR_MS = 1_000;
/** Rounds that one thread of our idle machine does in a second, on two processors at work. */
const OURS_PER_SECOND = 12_600;

/** Measures it: as many threads as there are processors work for a second. */
export async function measureMachine(): Promise<Machine> {
  const processors = availableParallelism();
  const done = await Promise.all(Array.from({ length: processors }, workedFor));
  const perSecond = done.reduce((sum, each) => sum + each, 0) / (MEASURED_FOR_MS / 1000);
  return { processors, strength: perSecond / OURS_PER_SECOND };
}

/**
 * Three files at once are what two idle processors of ours carry: each has a stack of its own and waits for half of its
 * time. What is waited for may take twice as long as when alone, even there; with less, longer.
 */
export function loadFor({ processors, strength }: Machine): Load {
  const files = Math.max(1, Math.min(processors + 1, Math.round(1.5 * strength)));
  return { files, patience: Math.min(20, Math.max(2, Math.round(40 / strength) / 10)) };
}

/** What tests do most: small objects are made, written, read and thrown away. */
const WORK = `
  const { parentPort, workerData } = require('node:worker_threads');
  const end = performance.now() + workerData;
  let rounds = 0;
  while (performance.now() < end) {
    for (let n = 0; n < 100; n++) JSON.parse(JSON.stringify({ n, name: 'a project', of: [n, n + 1, { deep: true }] }));
    rounds++;
  }
  parentPort.postMessage(rounds);
`;

function workedFor(): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORK, { eval: true, workerData: MEASURED_FOR_MS });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
