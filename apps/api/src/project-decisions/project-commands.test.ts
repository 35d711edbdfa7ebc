import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NewEvent, ProjectCreated } from '@buckets/contracts';
import { PlatformKeys, Vault } from '@buckets/vault';
import {
  createRepositoryKey,
  InMemoryBucket,
  InMemoryRows,
  withCode,
} from '../../../../libs/vault/src/testing/in-memory.js';
import type { Caller } from '../access/caller.js';
import type { Decider } from '../decisions/decider.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import { BucketRow, HostRow } from '../tables/entities.js';
import type { Verdict } from './verdict.js';
import { ProjectCommands } from './project-commands.js';
import { evolve, type ProjectState } from '../state/project-state.js';
import { logged } from '../state/testing/given.js';

const platformKeys = new PlatformKeys(randomBytes(32).toString('base64'));
const FIXTURES = new Map<unknown, object>([
  [HostRow, { id: 'h1', region_id: 'zrh' }],
  [BucketRow, { id: 'b1', region_id: 'zrh' }],
]);
const data = { getRepository: (of: unknown) => ({ findOneBy: () => Promise.resolve(FIXTURES.get(of) ?? null) }) };

/** The log of one project, which may be out of reach. */
class LogOfOne {
  readonly events: NewEvent<'project'>[] = [];
  isAway = false;

  get state(): ProjectState | null {
    return logged(this.events).reduce(evolve, null as ProjectState | null);
  }

  readonly decider = {
    stateOf: () => Promise.resolve({ state: this.state }),
    decide: (_thing: string, _id: string, decide: (state: ProjectState | null) => Verdict) => {
      if (this.isAway) return Promise.reject(withCode('log-unreachable'));
      const { events } = decide(this.state);
      this.events.push(...(events as NewEvent<'project'>[]));
      return Promise.resolve({});
    },
  } as unknown as Decider;
}

let log: LogOfOne;
let rows: InMemoryRows;
let bucket: InMemoryBucket;
beforeEach(() => {
  [log, rows, bucket] = [new LogOfOne(), new InMemoryRows(), new InMemoryBucket()];
});

async function create(requestHash = 'hash'): Promise<string> {
  const vault = new Vault({ rows, platformKeys, createRepositoryKey });
  const keys = {
    ensure: (id: string) => vault.ensure(id, bucket),
    hasTraceOf: (id: string) => vault.hasTraceOf(id, bucket),
  } as unknown as ProjectKeys;
  const limits = { provision: { queueSeconds: 1, stallSeconds: 1, attemptSeconds: 1, wholeSeconds: 1 } };
  const commands = new ProjectCommands(log.decider, data as never, keys, limits as never);
  const repetition = { requestedBy: 'admin', requestHash, hasKey: true, idFor: (what: string) => what };
  const caller: Caller = { kind: 'admin', id: 'admin', name: 'admin', scopes: ['admin'], reach: 'fleet' };
  const { id } = await commands.create({ id: 'atlas', hostId: 'h1', bucketId: 'b1' }, repetition, caller);
  return id;
}

const created = (): ProjectCreated[] =>
  log.events.filter(({ type }) => type === 'created').map((each) => each.data as ProjectCreated);
const generation = (): number => {
  expect(created()).toHaveLength(1);
  return log.state!.generation;
};

describe('the generation of a project that is made', () => {
  it('is the first under an id of which there is no trace', async () => {
    await create();
    expect(generation()).toBe(1);
  });

  it.each([
    ['the log was out of reach', () => (log.isAway = true)],
    ['the bucket was out of reach', () => (bucket = new InMemoryBucket(() => Promise.reject(withCode('away'))))],
  ])('is above the first where an earlier try came to nothing, as %s', async (_, breaks) => {
    // What there was before, nobody knows: the copy of the keys tells of a log that was lost.
    const before = new InMemoryBucket();
    await new Vault({ rows: new InMemoryRows(), platformKeys, createRepositoryKey }).ensure('atlas', before);
    bucket = before;
    breaks();
    await expect(create()).rejects.toThrow();
    [log.isAway, bucket] = [false, before];
    await create();
    expect(generation()).toBeGreaterThan(1);
  });

  it('is above the first where the database alone has keys, as after a refused recovery', async () => {
    await new Vault({ rows, platformKeys, createRepositoryKey }).ensure('atlas', new InMemoryBucket());
    await create();
    expect(generation()).toBeGreaterThan(1);
  });

  it('stays as it is when the request is repeated', async () => {
    await create();
    await create();
    expect(generation()).toBe(1);
  });

  it('is that of one of two that make it at once, and the other is refused', async () => {
    const both = await Promise.allSettled([create('one'), create('another')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(created()).toHaveLength(1);
  });
});
