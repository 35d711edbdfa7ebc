import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { jetstream, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { NewEvent } from '@buckets/contracts';
import { Log, Projector, rebuildProjection } from '@buckets/log';
import type { DataSource } from 'typeorm';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { Decider } from '../decisions/decider.js';
import { lookForRequest, requestOperation } from '../project-decisions/request-operation.js';
import { backupToRestore } from '../state/backups-at-hand.js';
import { AT, backedUp, HERE, LIMITS, READY, recordedEvent, snapshot } from '../state/testing/given.js';
import { openDatabase } from '../wiring/database.js';
import { API_ENTITIES, JournalRow } from './entities.js';
import { TablesProjection } from './tables-projection.js';

jest.setTimeout(300_000);

const PROJECTS = 20;
/** Of half of the projects, and of the others. */
const [FEW, MANY] = [10, 400];
/** Backups in one append. */
const AT_ONCE = 200;
const PATIENCE_MS = 120_000;

let parts: RealParts;
let nats: NatsConnection;
let jsm: JetStreamManager;
let data: DataSource;
let log: Log;

beforeAll(async () => {
  parts = await RealParts.start(['nats', 'postgres']);
  ({ nats, jsm } = await parts.freshLog());
  data = await openDatabase(parts.infrastructure.postgresUrl, 8);
  log = new Log(nats, jsm, 'buckets/test');
});
afterAll(async () => {
  await data.destroy();
  await parts.disconnect();
  await parts.stop();
});

const nameOf = (project: number, n: number): string => `${project}f${n}`;
const countOf = (project: number): number => (project % 2 === 0 ? FEW : MANY);

/** A project's events, with ids of operations that no other one has. */
function ofProject(project: number, events: readonly NewEvent<'project'>[]): NewEvent<'project'>[] {
  return events.map((each) => {
    const { operationId } = each.data as { operationId?: string };
    return { ...each, data: { ...each.data, ...(operationId && { operationId: `${operationId}-${project}` }) } };
  }) as NewEvent<'project'>[];
}

/** Appends backups to the histories of all projects, up to a share of them. */
async function backUp(ends: Map<number, { made: number; position: number }>, share: number): Promise<void> {
  for (let project = 0; project < PROJECTS; project++) {
    const end = ends.get(project) ?? { made: 0, position: 0 };
    if (end.position === 0) end.position = await append(project, READY, 0);
    const wanted = Math.ceil(countOf(project) * share);
    while (end.made < wanted) {
      const some = Array.from({ length: Math.min(AT_ONCE, wanted - end.made) }, (_, n) =>
        nameOf(project, end.made + n),
      );
      end.position = await append(
        project,
        some.flatMap((name) => backedUp(name)),
        end.position,
      );
      end.made += some.length;
    }
    ends.set(project, end);
  }
}

async function append(project: number, events: readonly NewEvent<'project'>[], expected: number): Promise<number> {
  const decision = { thing: 'project' as const, id: `p${project}`, expected, events: ofProject(project, events) };
  return (await log.append(decision)).at(-1)!.position;
}

async function tables(): Promise<Record<string, unknown>> {
  const all = API_ENTITIES.filter((entity) => entity !== JournalRow).map(async (entity) => {
    const { tablePath } = data.getMetadata(entity);
    return [
      tablePath,
      await data.query<object[]>(`SELECT to_jsonb(t) AS row FROM ${tablePath} t ORDER BY to_jsonb(t)::text`),
    ];
  });
  return Object.fromEntries(await Promise.all(all)) as Record<string, unknown>;
}

it('whatever the histories of projects, a projector catches up after an outage, decides, and is rebuilt', async () => {
  const troubles: unknown[] = [];
  const note = (fields: object) => void troubles.push(fields);
  const logger = { info: () => undefined, warn: note, error: note };
  const start = async () => {
    const projector = new Projector(jetstream(nats), jsm, data, new TablesProjection(), logger);
    await projector.start();
    return projector;
  };
  const ends = new Map<number, { made: number; position: number }>();
  await backUp(ends, 0.5);
  const before = await start();
  const lastOf = () => Math.max(...[...ends.values()].map(({ position }) => position));
  await before.waitFor(lastOf(), PATIENCE_MS);
  await before.stop();

  await backUp(ends, 1);
  const projector = await start();
  try {
    await projector.waitFor(lastOf(), PATIENCE_MS);
    expect(troubles).toEqual([]);
    const sizes = await data.query<{ bytes: number; backups: number }[]>(
      `SELECT length(state::text) AS bytes, project.backups FROM api.thing_state JOIN api.project USING (id)
        WHERE thing = 'project' ORDER BY project.id`,
    );
    expect(new Set(sizes.map(({ backups }) => backups))).toEqual(new Set([FEW, MANY]));
    const bytes = sizes.map((size) => size.bytes);
    expect(Math.max(...bytes) - Math.min(...bytes)).toBeLessThan(50);

    const decider = new Decider(log, jsm, data, projector);
    for (let project = 0; project < PROJECTS; project++) {
      const newest = snapshot(nameOf(project, countOf(project) - 1));
      const request = {
        ...{ operationId: `op-start-${project}`, kind: 'start' as const, params: {}, limits: LIMITS, at: AT },
        by: { requestedBy: 'admin' },
      };
      const { verdict } = await decider.decideWithBackups(`p${project}`, lookForRequest(request), (state) => {
        expect(backupToRestore(state!)).toBe(newest);
        return requestOperation(state, `p${project}`, request);
      });
      expect(verdict.intents).toMatchObject([{ kind: 'start', hostId: HERE.hostId }]);
    }

    const shown = await tables();
    const patient = await openDatabase(parts.infrastructure.postgresUrl, 4, { patient: true });
    try {
      await rebuildProjection({ js: jetstream(nats), jsm, data: patient, projection: new TablesProjection() });
    } finally {
      await patient.destroy();
    }
    expect(await tables()).toEqual(shown);
  } finally {
    await projector.stop();
  }
});

it('a decision with backups goes by what the tables show, and no copy remembers them with the state', async () => {
  const projector = new Projector(jetstream(nats), jsm, data, new TablesProjection(), {
    ...{ info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await projector.start();
  try {
    const position = await append(PROJECTS, [...READY, ...backedUp('a')], 0);
    const [here, elsewhere] = [new Decider(log, jsm, data, projector), new Decider(log, jsm, data, projector)];
    await projector.waitFor(position, PATIENCE_MS);
    const HOSTS = { readsTables: false, readable: false };
    const id = `p${PROJECTS}`;
    const look = { choices: true };
    const record = (digit: string) => ofProject(PROJECTS, [recordedEvent(digit, 'op-late')]);
    const seen: (string | null)[] = [];
    const decide = (by: Decider, ...events: NewEvent<'project'>[]) =>
      by.decideWithBackups(id, look, (state) => (seen.push(backupToRestore(state!)), { events, intents: [] }), HOSTS);
    await decide(here, ...backedUp('b').slice(0, 2));
    // Told by another copy, of which the first knows nothing: it decides again, on the newer one.
    await decide(elsewhere, ...backedUp('b').slice(2));
    seen.length = 0;
    await decide(here, ...record('c'));
    expect(seen.at(-1)).toBe('b'.repeat(64));
    expect(await here.currentStateOf('project', id)).not.toHaveProperty('backups');
  } finally {
    await projector.stop();
  }
});
