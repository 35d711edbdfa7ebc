import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { changeTree, growTree, removeTree, type TreeDescription } from '@buckets/trees';
import type { Backup, Operation, Project } from '../running/api.js';
import type { Caller } from './caller.js';
import { bytesOf, Contents, differences, holdsNothing, lookAt, NOTHING } from './contents.js';
import { isExplained, type Accepted, type Ledger } from './ledger.js';
import type { Command, Step } from './plan.js';
import type { SharedDisk } from './shared-disk.js';
import { makeRestless, plantSecret, wrongOnDisk } from './tenant.js';

/** How long each operation may take, in seconds: enough to outlast a fault or two, and soon over. */
export const LIMITS = { queueSeconds: 60, stallSeconds: 20, attemptSeconds: 60, wholeSeconds: 120 };

/** Beyond the limit of the whole: whoever sees to it may be away, and has to come back. */
const ENDS_WITHIN_MS = (LIMITS.wholeSeconds + 60) * 1000;
const BARRIER_TRIES = 5;
const FIRST_BYTES = 5_000_000;

/** What a backup or a start says that was asked for before the lost data were back. */
const ABOUT_LOST_DATA = new Set(['project-folder-missing', 'rustic-source-missing', 'newer-backups-are-flagged']);

/** What a folder may hold by now; undefined for anything. */
type Possible = TreeDescription[] | undefined;

/** Does to one project what the plan says, one thing after the other, and knows what has to come of it. */
export class Driver {
  readonly contents = new Contents();
  readonly #open: Accepted[] = [];
  readonly #forgotten = new Set<string>();
  readonly #cancelled = new Set<string>();
  /** Operations of this project that have ended, as they were seen last. */
  readonly ended: Operation[] = [];
  /** What could not be done as the project was not in the state for it. */
  skipped = 0;

  constructor(
    readonly project: { id: string; hostId: string },
    private readonly folder: string,
    private readonly disk: SharedDisk,
    private readonly caller: Caller,
    private readonly ledger: Ledger,
  ) {}

  /** Makes the project, with something in it, and its first backup. */
  async begin(): Promise<void> {
    const reply = await this.caller.ask('POST', '/v1/projects', { ...this.project, backupIntervalMinutes: 525_600 });
    if (!('accepted' in reply)) throw new Error(`No project ${this.project.id}: ${JSON.stringify(reply)}`);
    const { provisionOperationId } = reply.accepted as unknown as Project;
    this.#open.push({ id: provisionOperationId, project: this.project.id, kind: 'provision' });
    await this.#allEnded();
    if (this.ended.at(-1)?.state !== 'succeeded') throw new Error(`No project: ${JSON.stringify(this.ended)}`);
    const seed = this.project.id.length;
    await growTree(join(this.folder, 'project'), { seed, smallFiles: 60, bytes: 0, hardCases: false });
    await writeFile(join(this.folder, 'persist', 'load'), randomBytes(FIRST_BYTES));
    await plantSecret(join(this.folder, 'persist'), this.project.id);
    await makeRestless(this.folder);
    const stillSince = Date.now();
    this.contents.stands(await lookAt(this.folder), stillSince);
    await this.#do({ do: 'backup' });
    await this.settle();
  }

  async carryOut({ command, hurry }: Step): Promise<void> {
    await this.#do(command);
    if (!hurry) await this.settle();
  }

  /** Waits until all that was asked for has ended, and looks whether the folder holds what it has to. */
  async settle(): Promise<void> {
    for (const { operation, accepted } of await this.#allEnded()) {
      const isStill = this.contents.now !== undefined;
      if (accepted.kind === 'backup') await this.#checkBackup(operation);
      if (isStill) continue;
      this.#possible = await this.#after(operation, accepted, this.#possible);
      this.#isSure &&= operation.state !== 'expired' && operation.state !== 'cancelled';
    }
    if (this.contents.now !== undefined) return;
    // What was cut off by others may go on at its host for a moment: what comes later in the same project is after it.
    this.#isSure ||= await this.#barrier();
    if (this.#isSure) await this.#look();
  }

  /** Nobody has touched the folder since it was looked at last. */
  async checkStillness(): Promise<void> {
    if (this.contents.now === undefined) return;
    const differs = differences(this.contents.now, await this.#lookAt());
    if (differs.length === 0) return;
    this.ledger.found(`${this.project.id} has changed although nobody asked for it: ${differs.slice(0, 5).join('; ')}`);
  }

  /** All backups, the oldest first. */
  async backups(): Promise<Backup[]> {
    const backups = await this.caller.all<Backup>(`${this.#path}/backups`);
    return backups.toReversed();
  }

  /** What a backup holds, but for what a tenant may have been at; undefined when nobody knows. */
  async heldBy({ id, operationId }: Backup): Promise<TreeDescription | undefined> {
    // Its own times are by the clock of its host.
    const operation = await this.caller.get<Operation>(`/v1/operations/${operationId}`);
    // What was told of after its operation had ended may have been read after that, too.
    return operation.result?.backupId === id ? this.#standingAt(operation) : undefined;
  }

  /** Restores a backup, as often as it takes while there are faults. @returns how it ended */
  async restore(backup: Backup): Promise<Operation | undefined> {
    await this.settle();
    if (await this.#isRunning()) await this.#ask('POST', 'stop', '/stop');
    await this.settle();
    await this.#restore(backup.id);
    const accepted = this.#open.at(-1);
    await this.settle();
    return this.ended.find(({ id }) => id === accepted?.id);
  }

  /** What the folder may hold while it may be changing. */
  #possible: Possible;
  /** Whether all that may have changed the folder is known to be over. */
  #isSure = true;

  /** From now on the folder may change: it holds what it held, or something new. */
  #moves(): void {
    if (this.contents.now === undefined) return;
    this.#possible = [this.contents.now];
    this.#isSure = true;
    this.contents.moves();
  }

  async #do(command: Command): Promise<void> {
    switch (command.do) {
      case 'change':
        return this.#change(command.seed, command.bytes);
      case 'lose':
        return this.#lose();
      case 'backup':
        return this.#ask('POST', 'backup', '/backups', { limits: LIMITS });
      case 'start':
        if (this.#isLost) this.#moves();
        return this.#start();
      case 'stop':
        return this.#ask('POST', 'stop', '/stop', { limits: LIMITS });
      case 'tidy':
        return this.#ask('POST', 'tidy', '/tidy', { remove: true, graceSeconds: 60, limits: LIMITS });
      case 'cancel':
        return this.#cancel();
      case 'restore': {
        const backup = pick(await this.backups(), command.which);
        if (backup === undefined) return this.#skip();
        if (await this.#isRunning()) {
          await this.#ask('POST', 'stop', '/stop', { limits: LIMITS });
          await this.settle();
        }
        return this.#restore(backup.id);
      }
      case 'forget': {
        const backups = await this.backups();
        // The last whole one stays: without it a start of lost data has to fail.
        const last = backups.findLast(isWhole);
        const others = backups.filter((each) => each !== last);
        const backup = pick(others, command.which);
        if (backup === undefined) return this.#skip();
        this.#forgotten.add(backup.id);
        return this.#ask('DELETE', 'forget', `/backups/${backup.id}`, undefined, backup.id);
      }
    }
  }

  async #change(seed: number, bytes: number): Promise<void> {
    await this.settle();
    if (this.contents.now === undefined || this.#isLost) return this.#skip();
    this.contents.moves();
    await this.disk.use(async () => {
      try {
        await changeTree(join(this.folder, 'project'), seed, 2);
        if (bytes > 0) await writeFile(join(this.folder, 'persist', 'load'), randomBytes(bytes));
      } catch (error) {
        // As much as there was room for.
        if (!['ENOSPC', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    });
    const stillSince = Date.now();
    this.contents.stands(await this.#lookAt(), stillSince);
  }

  /** The data vanish, as with a disk; where there is a backup a start has to bring them back. */
  async #lose(): Promise<void> {
    await this.settle();
    if (this.contents.now === undefined || this.#isLost || !(await this.backups()).some(isWhole)) return this.#skip();
    this.contents.moves();
    // At once, as no tenant at work puts anything into what is being removed.
    const lost = join(dirname(this.folder), `.lost-${this.project.id}`);
    await this.disk.use(async () => {
      await rename(this.folder, lost);
      await removeTree(lost);
    });
    this.contents.stands(NOTHING, Date.now());
    this.#moves();
    await this.#start();
  }

  /** Where data are missing and newer backups are suddenly small, it has to name one: the last whole one. */
  async #start(): Promise<void> {
    const all = await this.backups();
    const whole = all.findLast(isWhole);
    const passesOver = whole !== undefined && whole !== all.at(-1);
    await this.#ask('POST', 'start', '/start', { limits: LIMITS, ...(passesOver ? { backupId: whole.id } : {}) });
  }

  async #cancel(): Promise<void> {
    if (this.#open.length === 0) await this.#ask('POST', 'backup', '/backups', { limits: LIMITS });
    const last = this.#open.at(-1);
    if (last === undefined) return;
    this.#cancelled.add(last.id);
    const reply = await this.caller.ask('POST', `/v1/operations/${last.id}/cancel`);
    if (!('accepted' in reply)) this.ledger.note(this.project.id, 'cancel', reply);
  }

  async #restore(backupId: string): Promise<void> {
    this.#moves();
    await this.#ask('POST', 'restore', `/backups/${backupId}/restore`, { limits: LIMITS }, backupId);
  }

  async #ask(method: 'POST' | 'DELETE', kind: string, path: string, body?: object, backupId?: string): Promise<void> {
    const reply = await this.caller.ask(method, this.#path + path, body);
    const accepted = this.ledger.note(this.project.id, kind, reply, backupId);
    if (accepted !== undefined) this.#open.push(accepted);
  }

  /** How each of the open operations has ended, in the order in which they were asked for. */
  async #allEnded(): Promise<{ operation: Operation; accepted: Accepted }[]> {
    const ended: { operation: Operation; accepted: Accepted }[] = [];
    for (const accepted of this.#open.splice(0)) {
      const operation = await this.#end(accepted.id);
      if (operation === undefined) {
        this.ledger.found(`${accepted.kind} ${accepted.id} of ${this.project.id} has not ended in time.`);
        continue;
      }
      ended.push({ operation, accepted });
      this.ended.push(operation);
      await this.#checkEnd(operation);
    }
    return ended;
  }

  /** How an operation has ended; undefined when it has not in time. */
  async #end(id: string): Promise<Operation | undefined> {
    const deadline = performance.now() + ENDS_WITHIN_MS;
    do {
      const operation = await this.caller.get<Operation>(`/v1/operations/${id}?wait=5s`);
      if (operation.endedAt !== undefined) return operation;
    } while (performance.now() < deadline);
    return undefined;
  }

  /** It may have ended so. */
  async #checkEnd(operation: Operation): Promise<void> {
    const { id, kind, state, code = '', reason, result } = operation;
    const told = `${kind} ${id} of ${this.project.id} is ${state}`;
    if (state === 'cancelled' && !this.#cancelled.has(id)) this.ledger.found(`${told}, and nobody wanted it.`);
    if (isExplained(operation, this.ledger.suffered(this.project.hostId))) return;
    if (this.#mayBeLost && ABOUT_LOST_DATA.has(code)) return;
    if (code === 'incomplete-restore' || code === 'unwitnessed') {
      const applied = (await this.backups()).find((backup) => backup.id === result?.restore?.backupId);
      if (applied?.outcome !== 'succeeded') return;
    }
    this.ledger.found(`${told}, which no fault explains: ${code}: ${reason}`);
  }

  /** What the folder may hold after an operation. */
  async #after(operation: Operation, { kind, backupId }: Accepted, before: Possible): Promise<Possible> {
    const applied = operation.result?.restore?.backupId ?? backupId;
    const isStartOfLost = kind === 'start' && this.#mayBeLost;
    if (kind !== 'restore' && !isStartOfLost) return before;
    if (operation.state === 'succeeded' || operation.state === 'partial') {
      if (kind === 'restore' && operation.result?.restore?.backupId !== backupId) {
        this.ledger.found(
          `restore ${operation.id} of ${backupId} says that it has applied another: ${JSON.stringify(operation.result)}`,
        );
      }
      if (applied === undefined) return before;
      const tree = await this.#treeOf(applied);
      return tree === undefined ? undefined : [tree];
    }
    // All or nothing, though nobody could say which.
    const might = applied === undefined ? (await this.backups()).filter(isWhole).map(({ id }) => id) : [applied];
    const trees = await Promise.all(might.map((id) => this.#treeOf(id)));
    if (before === undefined || trees.some((tree) => tree === undefined)) return undefined;
    return [...before, ...(trees as TreeDescription[])];
  }

  /** A backup that is said to exist does, and was made when it was asked for. */
  async #checkBackup(operation: Operation): Promise<void> {
    const { id, state, result, requestedAt } = operation;
    if (state !== 'succeeded' && state !== 'partial') return;
    if (this.#forgotten.has(result?.backupId ?? '')) return;
    const path = `${this.#path}/backups/${result?.backupId}`;
    const backup = await this.caller.get<Backup>(path).catch(() => undefined);
    if (backup?.operationId !== id) {
      return this.ledger.found(`backup ${id} of ${this.project.id} is ${state}, yet there is no such backup of it`);
    }
    const isClockRight = !this.ledger.suffered(this.project.hostId).has('wrong-clock');
    if (isClockRight && backup.beganAt < requestedAt)
      this.ledger.found(`backup ${id} began reading before it was asked for`);
    const shrunken = backup.partialBecause.includes('shrunken');
    const tree = this.#standingAt(operation);
    if (shrunken && tree !== undefined && bytesOf(tree) > FIRST_BYTES) {
      this.ledger.found(`backup ${id} of ${this.project.id} is called shrunken, and is not`);
    }
  }

  async #treeOf(backupId: string): Promise<TreeDescription | undefined> {
    const backup = (await this.backups()).find(({ id }) => id === backupId);
    return backup === undefined ? undefined : this.heldBy(backup);
  }

  /** What was there all the time that an operation took. */
  #standingAt({ requestedAt, endedAt }: Operation): TreeDescription | undefined {
    return endedAt === undefined ? undefined : this.contents.between(requestedAt, endedAt);
  }

  /** Looks also at what a tenant may be at work on. */
  #lookAt(): Promise<TreeDescription> {
    return this.disk.use(async () => {
      for (const wrong of await wrongOnDisk(this.folder)) this.ledger.found(`${this.project.id}: ${wrong}.`);
      return lookAt(this.folder);
    });
  }

  /** Something that has been done after all that came before it. */
  async #barrier(): Promise<boolean> {
    for (let tries = 0; tries < BARRIER_TRIES; tries++) {
      const reply = await this.caller.ask('POST', `${this.#path}/stop`, { limits: LIMITS });
      const accepted = this.ledger.note(this.project.id, 'stop', reply);
      if (accepted === undefined) continue;
      this.#open.push(accepted);
      const [end] = await this.#allEnded();
      if (end?.operation.state === 'succeeded') return true;
    }
    return false;
  }

  async #look(): Promise<void> {
    const stillSince = Date.now();
    const tree = await this.#lookAt();
    const possible = this.#possible;
    if (possible !== undefined && !possible.some((each) => differences(each, tree).length === 0)) {
      const told = possible.map((each) => differences(each, tree).slice(0, 5).join('; '));
      const last = this.ended.slice(-4).map(({ kind, id, state }) => `${kind} ${id} ${state}`);
      this.ledger.found(
        `${this.project.id} holds none of the ${possible.length} things that it may hold after ${last.join(', ')}: ${told.join(' | ')}`,
      );
    }
    this.contents.stands(tree, stillSince);
    this.#possible = undefined;
  }

  get #isLost(): boolean {
    return this.contents.now !== undefined && holdsNothing(this.contents.now);
  }

  get #mayBeLost(): boolean {
    return this.#isLost || (this.contents.now === undefined && this.#possible?.some(holdsNothing) !== false);
  }

  async #isRunning(): Promise<boolean> {
    return (await this.caller.get<Project>(this.#path)).running;
  }

  #skip(): void {
    this.skipped += 1;
  }

  get #path(): string {
    return `/v1/projects/${this.project.id}`;
  }
}

/** Complete enough for the product to choose it. */
export function isWhole({ partialBecause, accepted, inDoubt = false }: Backup): boolean {
  const isSmall = partialBecause.some((reason) => reason === 'empty' || reason === 'shrunken');
  return !inDoubt && (accepted !== undefined || !isSmall);
}

function pick<T>(from: readonly T[], share: number): T | undefined {
  return from[Math.min(from.length - 1, Math.floor(share * from.length))];
}
