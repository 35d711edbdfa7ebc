import { S3ObjectStore } from '@buckets/object-storage';
import type { TreeEntry } from '@buckets/repository';
import pg from 'pg';
import { isEnded, OUTCOMES, STREAM } from '@buckets/contracts';
import { until } from '../../stack/src/index.js';
import type { Backup, Operation } from '../running/api.js';
import { rowsIn } from '../running/database.js';
import { messagesOf } from '../running/log.js';
import { operator } from '../running/operator.js';
import { hasRestic, restic } from '../running/plain-tools.js';
import { EU, US, type Product } from '../running/product.js';
import { inRepository, snapshotsOf } from '../running/repositories.js';
import type { Caller } from './caller.js';
import type { Ledger } from './ledger.js';
import { rusticIn } from './product-under-faults.js';
import { RESTLESS, wrongIn } from './tenant.js';

/** What somebody finds who looks at a product that is whole again. Each finding is a sentence on what is wrong. */
export interface Looked {
  findings: string[];
}

type Listed = Operation & { limits?: { wholeSeconds: number }; requestedBy: string };

/** Whoever sees to the limits may itself be away for a while. */
const LATE_BY_AT_MOST_S = 45;
const ALL_ENDED_WITHIN_MS = 240_000;

/** Each accepted operation has ended, in time. */
export async function checkOperations(caller: Caller, ledger: Ledger): Promise<Looked & { operations: Listed[] }> {
  let operations: Listed[] = [];
  const haveEnded = async () => {
    operations = await caller.all<Listed>('/v1/operations');
    return operations.every(({ state }) => isEnded(state));
  };
  await until(haveEnded, { withinMs: ALL_ENDED_WITHIN_MS }).catch(() => undefined);
  const known = new Set(operations.map(({ id }) => id));
  const findings = [
    ...ledger.accepted
      .filter(({ id }) => !known.has(id))
      .map(({ id, kind, project }) => `${kind} ${id} of ${project} was accepted, and there is no such operation.`),
    ...operations
      .filter(({ state }) => !isEnded(state))
      .map(({ id, kind, state, projectId }) => `${kind} ${id} of ${projectId} is ${state} for ever.`),
    ...operations.flatMap(({ id, kind, projectId, requestedAt, endedAt, limits }) => {
      if (endedAt === undefined || limits === undefined) return [];
      const seconds = (Date.parse(endedAt) - Date.parse(requestedAt)) / 1000;
      if (seconds <= limits.wholeSeconds + LATE_BY_AT_MOST_S) return [];
      return [`${kind} ${id} of ${projectId} took ${seconds} s, its limit being ${limits.wholeSeconds} s.`];
    }),
  ];
  return { operations, findings };
}

/** The log says of each operation once that it was asked for, and once how it ended; the journal holds the same log. */
export async function checkLog(
  product: Product,
  operations: readonly Operation[],
): Promise<Looked & { messages: number }> {
  const messages = await messagesOf(product, STREAM.log);
  const requested = new Map<string, number>();
  const ended = new Map<string, number>();
  const recorded = new Map<string, number>();
  const isEnd = new RegExp(`-(${OUTCOMES.join('|')})$`);
  for (const { subject, text } of messages) {
    if (!subject.startsWith('buckets.event.project.')) continue;
    const { operationId } = (JSON.parse(text.slice(text.indexOf('\n{') + 1)) as { data: { operationId?: string } })
      .data;
    if (operationId === undefined) continue;
    const isRequest = subject.endsWith('-requested') && !subject.endsWith('-cancel-requested');
    const counts = isRequest
      ? requested
      : isEnd.test(subject)
        ? ended
        : subject.endsWith('.backup-recorded')
          ? recorded
          : undefined;
    counts?.set(operationId, (counts.get(operationId) ?? 0) + 1);
  }
  const findings = operations.flatMap(({ id, kind, projectId }) => [
    ...(requested.get(id) === 1
      ? []
      : [`The log says ${requested.get(id) ?? 0} times that ${kind} ${id} of ${projectId} was asked for.`]),
    ...(ended.get(id) === 1
      ? []
      : [`The log says ${ended.get(id) ?? 0} times that ${kind} ${id} of ${projectId} has ended.`]),
    ...((recorded.get(id) ?? 0) <= 1
      ? []
      : [`The log says ${recorded.get(id)} times that ${kind} ${id} of ${projectId} has made a backup.`]),
  ]);
  const known = new Set(operations.map(({ id }) => id));
  for (const id of new Set([...requested.keys(), ...ended.keys()])) {
    if (!known.has(id)) findings.push(`The log has an operation ${id} that is not in the tables.`);
  }
  return { messages: messages.length, findings: [...findings, ...(await journalDiffers(product, messages))] };
}

async function journalDiffers(
  product: Product,
  messages: readonly { sequence: number; subject: string; text: string }[],
): Promise<string[]> {
  const database = new pg.Client({ connectionString: product.stack.access.postgresUrl });
  await database.connect();
  try {
    const { rows } = await database.query<{ position: string; subject: string; body: string }>(
      // What was appended since the log was read is no difference.
      `SELECT position, subject, convert_from(bytes, 'UTF8') AS body FROM api.journal WHERE position <= $1 ORDER BY position`,
      [messages.at(-1)?.sequence ?? 0],
    );
    const journal = new Map(rows.map((row) => [Number(row.position), row]));
    const differs = messages.filter(({ sequence, subject, text }) => {
      const row = journal.get(sequence);
      return row === undefined || row.subject !== subject || !text.endsWith(`\n${row.body}`);
    });
    return [
      ...differs
        .slice(0, 5)
        .map(
          ({ sequence, subject }) => `The journal lacks message ${sequence} of the log, ${subject}, or has another.`,
        ),
      ...(rows.length > messages.length
        ? [`The journal has ${rows.length} messages, the log ${messages.length}.`]
        : []),
    ];
  } finally {
    await database.end();
  }
}

/** What lies in a repository are the project's backups, and orphans that a tidy names; each operation has made one at most. */
export async function checkBackups(
  product: Product,
  caller: Caller,
  projectId: string,
  backups: readonly Backup[],
): Promise<Looked & { snapshots: number; orphans: number }> {
  const recorded = new Set(backups.map(({ id }) => id));
  const findings: string[] = [];
  for (const id of repeated(backups.map(({ operationId }) => operationId))) {
    findings.push(`Operation ${id} of ${projectId} has made more than one backup.`);
  }
  for (let tries = 1; ; tries++) {
    const all = await snapshotsOf(product, projectId);
    const snapshots = new Set(all.map(({ id }) => id));
    const orphans = [...snapshots].filter((id) => !recorded.has(id)).toSorted();
    const named = await orphansNamed(caller, projectId);
    // The scheduler may have had some removed in between.
    if (named?.join() !== orphans.join() && tries < 3) continue;
    for (const { id, operationId } of backups.filter((backup) => !snapshots.has(backup.id))) {
      findings.push(
        `Backup ${id} of ${projectId}, by operation ${operationId}, is in the list, and not in the repository.`,
      );
    }
    for (const id of repeated(all.flatMap(({ tags }) => tags.filter((tag) => tag.startsWith('operation:'))))) {
      findings.push(`The repository of ${projectId} holds more than one snapshot of ${id}.`);
    }
    if (named === undefined) {
      findings.push(`A tidy of ${projectId} does not succeed although nothing is wrong any more.`);
    } else if (named.join() !== orphans.join()) {
      findings.push(`The orphans of ${projectId} are ${orphans.join(', ')}; a tidy names ${named.join(', ')}.`);
    }
    return { findings, snapshots: snapshots.size, orphans: orphans.length };
  }
}

function repeated(names: readonly string[]): Set<string> {
  return new Set(names.filter((name, at) => names.indexOf(name) !== at));
}

async function orphansNamed(caller: Caller, projectId: string): Promise<string[] | undefined> {
  const reply = await caller.ask('POST', `/v1/projects/${projectId}/tidy`, { remove: false });
  if (!('accepted' in reply)) return undefined;
  type Tidied = Operation & { result?: { orphans?: { first: { backupId: string }[] } } };
  const ended = await until(
    async () => {
      const operation = await caller.get<Tidied>(`/v1/operations/${reply.accepted.id}`);
      return operation.endedAt === undefined ? undefined : operation;
    },
    { withinMs: 60_000 },
  );
  // It ends partial where it does not know how the ones that made them have ended.
  return ended.state === 'succeeded' || ended.code === 'unexplained-backups'
    ? ended.result?.orphans?.first.map(({ backupId }) => backupId).toSorted()
    : undefined;
}

/**
 * What a tenant was at work on is in the backups as the tenant wrote it, with nothing that belongs to others; what could
 * not be read is of that alone; and what changed while it was read is named, all of it and nothing else.
 */
export async function checkRestless(
  product: Product,
  projectId: string,
  backups: readonly Backup[],
): Promise<Looked & { changed: number; unreadable: number }> {
  const findings: string[] = [];
  const read = new Map<string, Promise<Buffer>>();
  await inRepository(product, projectId, async (repository) => {
    const contentOf = (entry: TreeEntry) => {
      const key = JSON.stringify(entry.content);
      const content = read.get(key) ?? joined(repository.readFile(entry));
      read.set(key, content);
      return content;
    };
    for (const snapshot of await repository.snapshots()) {
      const told = `Backup ${snapshot.id} of ${projectId}`;
      const changed: string[] = [];
      for await (const { path, entry } of repository.walk(snapshot, { path: RESTLESS })) {
        if (entry.type !== 'file') continue;
        const content = await contentOf(entry);
        if (content.length !== entry.size) changed.push(`/${path.toString()}`);
        const wrong = wrongIn(path.toString(), content);
        if (wrong !== undefined) findings.push(`${told}: ${path.toString()} ${wrong}.`);
      }
      const backup = backups.find(({ id }) => id === snapshot.id);
      if (backup === undefined || backup.partialBecause.includes('unwitnessed')) continue;
      // What was changed elsewhere meanwhile is named as well.
      const named = (backup.changedWhileRead?.first ?? [])
        .map(({ path }) => path)
        .filter((path) => path.startsWith(`/${RESTLESS}/`));
      if (named.toSorted().join() !== changed.toSorted().join()) {
        findings.push(`${told} names as changed while they were read: ${named.join()}; these were: ${changed.join()}.`);
      }
    }
  });
  for (const { id, unreadable, vanished } of backups) {
    const lacking = [...unreadable.first, ...(vanished?.first ?? [])].map(({ path }) => path);
    const others = lacking.filter((path) => !path.startsWith(`/${RESTLESS}/`));
    if (others.length > 0) findings.push(`Backup ${id} of ${projectId} lacks ${others.join()}, which nobody touched.`);
  }
  return {
    findings,
    changed: backups.filter(({ changedWhileRead }) => (changedWhileRead?.total ?? 0) > 0).length,
    unreadable: backups.filter(({ unreadable }) => unreadable.total > 0).length,
  };
}

async function joined(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Restic reads every byte and finds no fault; no lock and no other stray object is left in the bucket. */
export async function checkRepository(product: Product, projectId: string): Promise<Looked> {
  const findings: string[] = [];
  if (hasRestic) {
    const said = await restic(product, projectId, ['check', '--read-data']).catch((error: Error) => error.message);
    if (!said.includes('no errors were found'))
      findings.push(`restic finds the repository of ${projectId} damaged: ${said.slice(-500)}`);
  }
  await inRepository(product, projectId, async (_, store) => {
    for await (const { key } of store.list(`projects/${projectId}/`)) {
      if (!/^projects\/[^/]+\/(config|keys\/|index\/|snapshots\/|data\/)/.test(key))
        findings.push(`${key} is left in the bucket.`);
    }
  });
  return { findings };
}

/** No upload in parts has been left half-way in a bucket, where nobody sees it and it costs for ever. */
export async function checkUploads({ stack }: Product): Promise<Looked> {
  const findings: string[] = [];
  for (const bucket of stack.access.s3.buckets) {
    const store = new S3ObjectStore({ ...stack.access.s3, bucket });
    for (const key of await store.unfinishedUploads()) findings.push(`An upload of ${key} in parts was left half-way.`);
    store.destroy();
  }
  return { findings };
}

/** Nothing half done is left on the hosts, and nothing runs that should not. */
export async function checkHosts(product: Product): Promise<Looked> {
  const findings: string[] = [];
  for (const host of [EU, US]) {
    const nothing = async () => (await product.leftOn(host)).length === 0;
    await until(nothing, { withinMs: 20_000 }).catch(() => undefined);
    for (const left of await product.leftOn(host)) findings.push(`On ${host} there is still ${left}.`);
  }
  const running = await rusticIn(product.dataDir);
  if (running.length > 0) findings.push(`rustic still runs: ${running.join(', ')}.`);
  return { findings };
}

export async function checkDeadLetters(product: Product): Promise<Looked> {
  const letters = await messagesOf(product, STREAM.deadLetters);
  return { findings: letters.map(({ text }) => `There is a dead letter: ${text.slice(0, 300)}`) };
}

/** The tables made anew from the log are those that were there, while one API runs and the scheduler is still. */
export async function checkTables(product: Product): Promise<Looked> {
  const before = await rowsIn(product, ['api', 'scheduler']);
  await operator(product, 'rebuild-projections');
  const after = await rowsIn(product, ['api', 'scheduler']);
  const findings: string[] = [];
  for (const [table, rows] of Object.entries(before)) {
    if (/\.(projection_position|request_key)$/.test(table)) continue;
    const [had, has] = [new Set(rows), new Set(after[table])];
    const gone = rows.filter((row) => !has.has(row));
    const come = [...has].filter((row) => !had.has(row));
    if (gone.length + come.length > 0) {
      findings.push(
        `${table} made anew from the log differs: it had ${JSON.stringify(gone.slice(0, 2))}, it has ${JSON.stringify(come.slice(0, 2))}.`,
      );
    }
  }
  return { findings };
}
