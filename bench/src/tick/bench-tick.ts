import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DUE_KINDS, DueTables, DueWork, openSchedulerDatabase, type DueKind } from '@buckets/scheduler';
import { startStack } from '@buckets/stack';
import type { DataSource } from 'typeorm';
import { inTurns, median } from '../figures.js';

const HOUR_MS = 60 * 60_000;
const FEW = 1_000;
const MANY = 100_000;
const ROUNDS = 31;
const DUE = 20;
/** With all of them due, it is asked for so long. */
const ASKING_MS = 10_000;
/** A tick of many projects may take so many times as long as one of few. */
const GOAL = 1.5;

/** `npm run bench -- tick`: what it costs to look for what is due, by how many projects there are and how many are due. */
export async function benchTick(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'buckets-bench-'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const stack = resources.adopt(await startStack({ dataDir: folder, services: [] }), (each) => each.stop());
  const { postgresUrl } = stack.infrastructure;
  const open = (url: string) => openSchedulerDatabase({ url, connections: 4, patient: true });
  const few = resources.adopt(await open(postgresUrl), (each) => each.destroy());
  await few.query('CREATE DATABASE many');
  const url = new URL(postgresUrl);
  url.pathname = 'many';
  const many = resources.adopt(await open(url.href), (each) => each.destroy());
  await fill(few, FEW);
  await fill(many, MANY);

  console.log(
    `A tick of the scheduler: all kinds of work, ${FEW} and ${MANY} projects, in turns; medians of ${ROUNDS}`,
  );
  for (const due of [0, DUE]) {
    const { ours, bare } = await inTurns(
      ROUNDS,
      () => tick(many, due),
      () => tick(few, due),
    );
    const [ofMany, ofFew] = [median(ours), median(bare)];
    const ratio = ofMany / ofFew;
    const goal = `goal at most ${GOAL.toFixed(2)}: ${ratio <= GOAL ? 'met' : 'NOT MET'}`;
    const figures = `${FEW}: ${ofFew.toFixed(1)} ms, ${MANY}: ${ofMany.toFixed(1)} ms`;
    console.log(`  ${String(due).padStart(2)} due   ${figures}, ratio ${ratio.toFixed(2)}, ${goal}`);
  }
  await allDue(many);
}

/** Of each project what a project in use has: a backup, a look at what it keeps, and a verification; all due some other day. */
async function fill(data: DataSource, projects: number): Promise<void> {
  await data.query(
    `INSERT INTO scheduler.due (thing_id, kind, subject, lane, key, due_at, plausible_from, attempts)
     SELECT 'p' || n, kind, '', 'h' || n % 1000, 'p' || n || '/1', now() + interval '1 day' + n % 3600 * interval '1 second',
            now(), 0
       FROM generate_series(1, $1::int) AS n, unnest('{backup,retention,verification}'::text[]) AS kind`,
    [projects],
  );
  await data.query('VACUUM ANALYZE scheduler.due');
}

/** Milliseconds that all kinds of work take together, with so many backups due. */
async function tick(data: DataSource, due: number): Promise<number> {
  const asked = new Set<string>();
  const works = DUE_KINDS.map((kind) => workOf(data, kind, asked));
  const now = Date.now();
  await data.query(
    `UPDATE scheduler.due SET due_at = $2::timestamptz + CASE WHEN n <= $1::int THEN interval '0' ELSE interval '1 day' END, not_before = NULL, attempts = 0
       FROM generate_series(1, $3::int) AS n WHERE thing_id = 'p' || n AND kind = 'backup'`,
    [due, new Date(now - HOUR_MS), DUE],
  );
  const startedAt = performance.now();
  for (const work of works) while (await work.round(now)) continue;
  const tookMs = performance.now() - startedAt;
  if (asked.size !== due) throw new Error(`${asked.size} were asked for, not ${due}.`);
  return tookMs;
}

/** Where as much is due as there is: what the first go costs, and how fast all of it is asked for by a control plane that accepts at once. */
async function allDue(data: DataSource): Promise<void> {
  await data.query(
    `UPDATE scheduler.due SET due_at = now() - interval '1 hour', not_before = NULL WHERE kind = 'backup'`,
  );
  await data.query('VACUUM ANALYZE scheduler.due');
  const asked = new Set<string>();
  const work = workOf(data, 'backup', asked);
  const now = Date.now();
  const startedAt = performance.now();
  await work.round(now);
  const firstMs = performance.now() - startedAt;
  const first = asked.size;
  while (performance.now() - startedAt < ASKING_MS && (await work.round(now))) continue;
  const seconds = (performance.now() - startedAt) / 1000;
  const each = `${Math.round(asked.size / seconds)} a second for ${seconds.toFixed(0)} s`;
  console.log(
    `  ${MANY} due: the first ${first} in ${firstMs.toFixed(0)} ms, ${each} (a million hourly projects need 278)`,
  );
}

function workOf(data: DataSource, kind: DueKind, asked: Set<string>): DueWork {
  const carryOut = (item: { thingId: string }): Promise<'requested'> => {
    asked.add(item.thingId);
    return Promise.resolve('requested');
  };
  return new DueWork(
    { kind, afterMs: 0, perLane: 10, counts: ['backup'], failed: 'It could not be asked for', carryOut },
    {
      tables: new DueTables(data),
      position: () => 0,
      reaches: () => Promise.resolve(true),
      endOfLog: () => Promise.resolve(0),
      log: { warn: console.warn },
      ...{ tickMs: 1_000, atMost: 500 },
    },
  );
}
