import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { S3ObjectStore } from '@buckets/object-storage';
import { surveyRepository } from '@buckets/repository';
import type { Operation } from '../running/api.js';
import type { Product } from '../running/product.js';
import { inStore, keysOf } from '../running/repositories.js';
import type { Caller } from './caller.js';
import { inflict } from './inflict.js';
import { isExplained } from './ledger.js';
import { faultText, type Fault } from './plan.js';
import type { ProductUnderFaults } from './product-under-faults.js';
import { Seeded } from './seeded.js';

/** What happens to an object of a repository. */
export interface Damage {
  kind: 'pack' | 'index' | 'snapshot' | 'key' | 'config';
  how: 'missing' | 'cut short' | 'altered';
  /** Which of them, and which byte: shares from 0 to 1. */
  which: number;
  where: number;
}

/** One damage, and a fault while it is looked for, and another one while it is mended. */
export interface DamageRound {
  damage: Damage;
  before: Fault;
  whileLooking: Fault;
  whileMending: Fault;
  /** Milliseconds from the request to the fault. */
  afterMs: number;
}

export function planDamage(seed: number, number: number): DamageRound {
  const random = new Seeded(seed, number, 23);
  const damage: Damage = {
    kind: random.weighted({ pack: 6, index: 2, snapshot: 1, key: 1, config: 1 }),
    how: random.pick(['missing', 'cut short', 'altered'] as const),
    which: random.next(),
    where: random.next(),
  };
  const [before, whileLooking, whileMending] = [faultOf(random), faultOf(random), faultOf(random)];
  return { damage, before, whileLooking, whileMending, afterMs: random.whole(0, 1_500) };
}

function faultOf(random: Seeded): Fault {
  const [forMs, afterBytes] = [random.whole(500, 3_000), random.whole(100, 50_000)];
  return random.pick<Fault>([
    { fault: 'kill', what: 'worker-eu-1' },
    { fault: 'kill', what: 'rustic' },
    { fault: 'kill', what: 'api' },
    { fault: 'kill', what: 's3' },
    { fault: 'cut', before: 's3' },
    { fault: 'refuse', before: 's3', forMs },
    { fault: 'truncate', before: 's3', afterBytes, forMs },
    { fault: 'unavailable', before: 's3', forMs },
  ]);
}

export function damageText({ kind, how }: Damage): string {
  return `a ${kind} is ${how}`;
}

/** Does it to an object that some backup needs. @returns the object's name in the repository */
export async function damageObject(product: Product, projectId: string, damage: Damage): Promise<string> {
  const { repositoryKey } = await keysOf(product, projectId);
  return inStore(product, projectId, async (store, prefix) => {
    const survey = await surveyRepository({ store, prefix, masterKey: JSON.stringify(repositoryKey) });
    const needed = new Set<string>();
    for (const id of survey.snapshots.keys()) for (const pack of await survey.packsOf(id)) needed.add(pack);
    const names = await namesOf(store, prefix, damage.kind);
    const candidates = damage.kind === 'pack' ? names.filter((name) => needed.has(name.slice(-64))) : names;
    const name = candidates[Math.floor(damage.which * candidates.length)]!;
    if (damage.how === 'missing') {
      await store.delete(prefix + name);
      return name;
    }
    const bytes = await store.get(prefix + name);
    const at = Math.floor(damage.where * bytes.length);
    bytes[at]! ^= 1 << (createHash('sha256').update(name).digest()[0]! % 8);
    await store.put(prefix + name, damage.how === 'altered' ? bytes : bytes.subarray(0, at));
    return name;
  });
}

async function namesOf(store: S3ObjectStore, prefix: string, kind: Damage['kind']): Promise<string[]> {
  if (kind === 'config') return ['config'];
  const folder = { pack: 'data/', index: 'index/', snapshot: 'snapshots/', key: 'keys/' }[kind];
  const names: string[] = [];
  for await (const { key } of store.list(prefix + folder)) names.push(key.slice(prefix.length));
  return names.sort();
}

const TRIES = 6;

/**
 * Asks for an operation while a fault harms the product, and again until it has ended in a way that no fault explains.
 *
 * @returns how it has ended
 */
export async function underFault(
  under: ProductUnderFaults,
  caller: Caller,
  {
    path,
    body,
    fault,
    afterMs,
    say,
  }: {
    path: string;
    body: object;
    fault: Fault;
    afterMs: number;
    say: (line: string) => void;
  },
): Promise<Operation> {
  let harm: Promise<unknown> = pause(afterMs).then(() => {
    say(`→ ${faultText(fault)}`);
    return inflict(fault, under);
  });
  try {
    for (let tries = 1; ; tries++) {
      const reply = await caller.ask('POST', path, body);
      if (!('accepted' in reply)) throw new Error(`POST ${path}: ${JSON.stringify(reply)}`);
      const operation = await ended(caller, reply.accepted.id);
      say(`${operation.kind} is ${operation.state} ${operation.code ?? ''}`);
      await harm;
      harm = Promise.resolve();
      const isForAFault = operation.state !== 'succeeded' && isExplained(operation);
      if (!isForAFault || tries === TRIES) return operation;
      await under.healed();
    }
  } finally {
    await harm;
    await under.healed();
  }
}

async function ended(caller: Caller, id: string): Promise<Operation> {
  for (;;) {
    const operation = await caller.get<Operation>(`/v1/operations/${id}?wait=5s`);
    if (operation.endedAt !== undefined) return operation;
  }
}
